//! Inspection of a file without running it: kind, producers, imports, exports, and why it would be refused.
//!
//! The inspection uses the same comparisons as loading, but reports all of their results.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::compile::{compile, link};
use crate::config::PluginConfig;
use crate::contract::{self, Export, Import};
use crate::engine;
use crate::error::PluginError;
use crate::file::{self, FileKind};
use crate::producers::{self, Producer};

/// Result of inspecting a file.
#[derive(Debug)]
pub struct Inspection {
    /// Name of the file, cut and cleaned.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256; absent if the file is larger than the limit `plugin_bytes`.
    pub sha256: Option<[u8; 32]>,
    /// Kind of file.
    pub kind: FileKind,
    /// Languages and tools that the file names as its producers.
    pub producers: Vec<Producer>,
    /// Imports; empty if the file is not a valid component.
    pub imports: Vec<Import>,
    /// Required exports; empty if the file is not a valid component.
    pub exports: Vec<Export>,
    /// Error that loading the file would return, if any.
    pub refusal: Option<PluginError>,
}

impl Inspection {
    /// Inspects a file with the configuration that it would be loaded with. Blocks for up to seconds.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn of_file(path: &Path, config: &PluginConfig) -> std::io::Result<Self> {
        let bytes = file::read(path, &config.limits)?;
        let size = std::fs::metadata(path)?.len();
        let is_whole = bytes.len() <= config.limits.plugin_bytes;
        let mut inspection = Self {
            name: file::file_name(path),
            bytes: size,
            sha256: is_whole.then(|| Sha256::digest(&bytes).into()),
            kind: FileKind::of(&bytes),
            producers: Vec::new(),
            imports: Vec::new(),
            exports: Vec::new(),
            refusal: None,
        };
        if is_whole && bytes.starts_with(b"\0asm") {
            inspection.producers = producers::find(&bytes);
        }
        inspection.refusal = inspection.check(&bytes, config).err();
        Ok(inspection)
    }

    /// Returns the world of the contract, if all exports fit it.
    #[must_use]
    pub fn world(&self) -> Option<&'static str> {
        let fits =
            !self.exports.is_empty() && self.exports.iter().all(|export| export.mismatch.is_none());
        fits.then_some(contract::WORLD)
    }

    /// Takes the same steps as loading and keeps the result of each.
    fn check(&mut self, bytes: &[u8], config: &PluginConfig) -> Result<(), PluginError> {
        file::check_header(bytes, config.limits.plugin_bytes)?;
        let sha256 = self.sha256.unwrap_or_default();
        let engine = engine::new(&config.limits).map_err(|error| PluginError::sandbox(&error))?;
        let component = compile(&engine, bytes, &sha256, None)?;
        let granted = |name: &str| config.imports.allow(name);
        self.imports = contract::imports(&component, &engine, &granted);
        self.exports = contract::exports(&component, &engine);
        if let Some(pinned) = config.sha256.filter(|pinned| *pinned != sha256) {
            let found = sha256;
            return Err(PluginError::OtherDigest { pinned, found });
        }
        let mismatches = contract::compare(&component, &engine, &granted);
        if !mismatches.is_empty() {
            return Err(PluginError::Mismatch(mismatches));
        }
        link(&engine, &component).map(drop)
    }
}
