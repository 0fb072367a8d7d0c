//! A file that may hold a plugin, before it is compiled.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use edge_cache_core::{Limits, text};
use serde::Serialize;
use sha2::{Digest, Sha256};
use strum::Display;

use crate::error::PluginError;

/// Name of a plugin that was not read from a file.
pub(crate) const EMBEDDED: &str = "embedded";
/// Longest kept part of a file's name, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// Name, content and digest of a plugin file. Its content may be no plugin at all. Cheap to clone.
#[derive(Clone)]
pub struct PluginFile {
    pub(crate) name: String,
    pub(crate) bytes: Bytes,
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

    /// Takes content that was not read from a file.
    pub fn new(name: &str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            name: name.to_string(),
            sha256: Sha256::digest(&bytes).into(),
            bytes,
        }
    }

    /// Takes the plugin that is embedded in a binary.
    #[must_use]
    pub fn embedded(bytes: &'static [u8]) -> Self {
        Self::new(EMBEDDED, Bytes::from_static(bytes))
    }

    /// Checks the size, and that the content begins as a component does. Nothing is compiled.
    ///
    /// # Errors
    ///
    /// [`PluginError::TooLarge`], [`PluginError::CoreModule`], [`PluginError::UnknownVersion`] and
    /// [`PluginError::NotWasm`].
    pub fn check(&self, limits: &Limits) -> Result<(), PluginError> {
        check_header(&self.bytes, limits.plugin_bytes)
    }

    /// Returns the content.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the SHA-256 of the content.
    #[must_use]
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }
}

impl fmt::Debug for PluginFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginFile")
            .field("name", &self.name)
            .field("sha256", &hex::encode(self.sha256))
            .finish_non_exhaustive()
    }
}

/// Kind of an inspected file. `Display` describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FileKind {
    /// A WebAssembly component.
    #[strum(to_string = "a WebAssembly component")]
    Component,
    /// A WebAssembly core module, from which a component can be made.
    #[strum(to_string = "a WebAssembly core module, not a component")]
    CoreModule,
    /// WebAssembly of another version.
    #[strum(to_string = "WebAssembly of a version that this host does not know")]
    OtherWasm,
    /// WebAssembly as text.
    #[strum(to_string = "WebAssembly as text; `wasm-tools parse` makes a component of it")]
    WasmText,
    /// Machine code: a program, or compiled WebAssembly.
    #[strum(to_string = "an ELF file: a program, or WebAssembly that was compiled already")]
    Elf,
    /// A compressed file.
    #[strum(to_string = "a file compressed by gzip")]
    Gzip,
    /// An empty file.
    #[strum(to_string = "an empty file")]
    Empty,
    /// Another kind.
    #[strum(to_string = "no WebAssembly")]
    Other,
}

impl FileKind {
    /// Returns the kind of a file by its first bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let text = bytes.trim_ascii_start();
        let kinds: [(&[u8], Self); 5] = [
            (b"\0asm\x0d\0\x01\0", Self::Component),
            (b"\0asm\x01\0\0\0", Self::CoreModule),
            (b"\0asm", Self::OtherWasm),
            (b"\x7fELF", Self::Elf),
            (b"\x1f\x8b", Self::Gzip),
        ];
        match kinds.iter().find(|(start, _)| bytes.starts_with(start)) {
            Some((_, kind)) => *kind,
            None if bytes.is_empty() => Self::Empty,
            None if text.starts_with(b"(component") || text.starts_with(b"(module") => {
                Self::WasmText
            }
            None => Self::Other,
        }
    }
}

/// Reads at most one byte more than the limit `plugin_bytes`.
///
/// The additional byte distinguishes a file that is too large from one that just fits.
pub(crate) fn read(path: &Path, limits: &Limits) -> std::io::Result<Vec<u8>> {
    let limit = u64::try_from(limits.plugin_bytes).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    File::open(path)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns the name of a file, cut and cleaned.
pub(crate) fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    text::clean(&name, NAME_BYTES_MAX)
}

/// Checks the size, and that the content begins as a component does.
pub(crate) fn check_header(bytes: &[u8], limit: usize) -> Result<(), PluginError> {
    check_size(bytes, limit)?;
    match FileKind::of(bytes) {
        FileKind::Component => Ok(()),
        FileKind::CoreModule => Err(PluginError::CoreModule),
        FileKind::OtherWasm => Err(PluginError::UnknownVersion),
        _ => Err(PluginError::NotWasm),
    }
}

fn check_size(bytes: &[u8], limit: usize) -> Result<(), PluginError> {
    if bytes.len() > limit {
        return Err(PluginError::TooLarge { limit });
    }
    Ok(())
}
