//! What a file is, what it asks for and what it lacks: all that can be said without running any of it.
//!
//! It is for people who are about to give a file to an agent, so it says more than why the file is refused,
//! and by the very comparisons that refuse it.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::contract::{self, Export, Import};
use super::engine;
use super::file;
use super::plugin::{self, PluginConfig, PluginError};
use super::producers::{self, Producer};

/// What is known of a file.
#[derive(Debug)]
pub struct Inspection {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256; none where it is too large to be read.
    pub sha256: Option<[u8; 32]>,
    /// What kind of file it is.
    pub kind: FileKind,
    /// Languages and tools that had a part in it, as it says itself.
    pub producers: Vec<Producer>,
    /// What it imports; empty where it is no valid component.
    pub imports: Vec<Import>,
    /// What it must export; empty where it is no valid component.
    pub exports: Vec<Export>,
    /// Why an agent would refuse it, if it would.
    pub refusal: Option<PluginError>,
}

/// Kinds of files that people have to do with here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A WebAssembly component.
    Component,
    /// A WebAssembly core module: what compilers make before it becomes a component.
    CoreModule,
    /// WebAssembly of another version.
    OtherWasm,
    /// WebAssembly as text.
    WasmText,
    /// Machine code, be it a program or compiled WebAssembly.
    Elf,
    /// A compressed file.
    Gzip,
    /// Nothing at all.
    Empty,
    /// Something else.
    Other,
}

impl FileKind {
    fn of(bytes: &[u8]) -> Self {
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

    /// One word, the same for good.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::CoreModule => "core-module",
            Self::OtherWasm => "other-wasm",
            Self::WasmText => "wasm-text",
            Self::Elf => "elf",
            Self::Gzip => "gzip",
            Self::Empty => "empty",
            Self::Other => "other",
        }
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Component => "a WebAssembly component",
            Self::CoreModule => "a WebAssembly core module, not a component",
            Self::OtherWasm => "WebAssembly of a version that this host does not know",
            Self::WasmText => "WebAssembly as text; `wasm-tools parse` makes a component of it",
            Self::Elf => "an ELF file: a program, or WebAssembly that was compiled already",
            Self::Gzip => "a file compressed by gzip",
            Self::Empty => "an empty file",
            Self::Other => "no WebAssembly",
        }
    }
}

impl Inspection {
    /// Inspects a file as an agent with this configuration would load it. Takes up to seconds: not for an
    /// async thread.
    ///
    /// # Errors
    ///
    /// The file can't be read.
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
        inspection.refusal = inspection.look_into(&bytes, config).err();
        Ok(inspection)
    }

    /// The world that it fits, if it fits one of this host's.
    #[must_use]
    pub fn world(&self) -> Option<&'static str> {
        let fits =
            !self.exports.is_empty() && self.exports.iter().all(|export| export.mismatch.is_none());
        fits.then_some(contract::WORLD)
    }

    /// Goes as far as loading would, and finds all that there is to say on the way.
    fn look_into(&mut self, bytes: &[u8], config: &PluginConfig) -> Result<(), PluginError> {
        file::check_header(bytes, config.limits.plugin_bytes)?;
        let sha256 = self.sha256.unwrap_or_default();
        let engine = engine::new(&config.limits).map_err(plugin::sandbox_error)?;
        let component = plugin::compile(&engine, bytes, &sha256, None)?;
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
        plugin::link(&engine, &component).map(drop)
    }
}
