//! The plugin that the settings declare.

use std::fmt;
use std::path::PathBuf;

use edge_cache_core::Limits;
use edge_cache_host::sandbox::{PluginError, PluginFile};

/// The place of the declared plugin.
#[derive(Clone)]
pub enum PluginSource {
    /// A file.
    File(PathBuf),
    /// The bytes that the binary embeds.
    Embedded(&'static [u8]),
}

impl PluginSource {
    /// Reads the plugin's bytes without compiling them.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is larger than `limits` allow.
    pub fn read(&self, limits: &Limits) -> Result<PluginFile, PluginError> {
        match self {
            Self::File(path) => PluginFile::read(path, limits),
            Self::Embedded(bytes) => Ok(PluginFile::embedded(bytes)),
        }
    }
}

impl fmt::Debug for PluginSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Embedded(bytes) => f.debug_tuple("Embedded").field(&bytes.len()).finish(),
        }
    }
}
