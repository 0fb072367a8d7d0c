//! A file that may be a component, before anything of it is compiled.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::plugin::{Plugin, PluginConfig, PluginError};
use edge_cache_core::Limits;
use edge_cache_core::text;

/// The first bytes of a component, and of a core module. Both begin with wasm's magic number.
const COMPONENT_HEADER: [u8; 8] = *b"\0asm\x0d\0\x01\0";
const MODULE_HEADER: [u8; 8] = *b"\0asm\x01\0\0\0";

/// The name of a component that came as bytes.
pub(super) const EMBEDDED: &str = "embedded";
/// How much of a file's name is kept, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 255;

/// The bytes of a file and their digest, by which a component is known before it is loaded.
pub struct PluginFile {
    name: String,
    bytes: Cow<'static, [u8]>,
    sha256: [u8; 32],
}

impl PluginFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`PluginError::Read`] and [`PluginError::TooLarge`].
    pub fn read(path: &Path, limits: &Limits) -> Result<Self, PluginError> {
        let bytes = read(path, limits).map_err(|source| PluginError::Read {
            path: path.to_path_buf(),
            source,
        })?;
        check_size(&bytes, limits.plugin_bytes)?;
        Ok(Self::new(&file_name(path), bytes))
    }

    /// Bytes that came from elsewhere, under a name.
    pub fn new(name: &str, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        let bytes = bytes.into();
        Self {
            name: name.to_string(),
            sha256: Sha256::digest(&bytes).into(),
            bytes,
        }
    }

    /// The component inside a binary.
    #[must_use]
    pub fn embedded(bytes: &'static [u8]) -> Self {
        Self::new(EMBEDDED, bytes)
    }

    /// Its content.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The SHA-256 of its content.
    #[must_use]
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// Checks and compiles it. Takes up to seconds: not for an async thread.
    ///
    /// # Errors
    ///
    /// Any [`PluginError`] but [`PluginError::Read`].
    pub fn load(&self, config: PluginConfig) -> Result<Plugin, PluginError> {
        check_header(&self.bytes, config.limits.plugin_bytes)?;
        Ok(Plugin::from_digested(&self.bytes, self.sha256, config)?.named(&self.name))
    }
}

impl fmt::Debug for PluginFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginFile")
            .field("name", &self.name)
            .field("sha256", &text::hex(&self.sha256))
            .finish_non_exhaustive()
    }
}

/// The bytes of a file, or one more than a component may have where it is larger.
pub(super) fn read(path: &Path, limits: &Limits) -> std::io::Result<Vec<u8>> {
    let limit = u64::try_from(limits.plugin_bytes).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too large from one that just fits.
    File::open(path)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file's name, cut and cleaned.
pub(super) fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    text::clean(&name, NAME_BYTES_MAX)
}

pub(super) fn check_header(bytes: &[u8], limit: usize) -> Result<(), PluginError> {
    check_size(bytes, limit)?;
    if bytes.starts_with(&COMPONENT_HEADER) {
        return Ok(());
    }
    if bytes.starts_with(&MODULE_HEADER) {
        return Err(PluginError::CoreModule);
    }
    if bytes.starts_with(b"\0asm") {
        return Err(PluginError::UnknownVersion);
    }
    Err(PluginError::NotWasm)
}

fn check_size(bytes: &[u8], limit: usize) -> Result<(), PluginError> {
    if bytes.len() > limit {
        return Err(PluginError::TooLarge { limit });
    }
    Ok(())
}
