//! Inspection of a file without running it: kind, metadata, imports, exports, and why it would be refused.
//!
//! The inspection takes the same steps as loading, but reports the result of each.

use std::path::Path;

use crate::compile::Loading;
use crate::compiler::CompilerProcess;
use crate::config::PluginConfig;
use crate::contract::{self, Comparison, Export, Import};
use crate::error::PluginError;
use crate::file::{self, FileKind, PluginFile};
use crate::metadata::{self, Metadata, Producer};

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
    /// Texts in which the file describes itself.
    pub metadata: Metadata,
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
    /// Inspects a file with the configuration that it would be loaded with. Blocks its thread to read and check.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub async fn of_file(
        path: &Path,
        config: &PluginConfig,
        compiler: &CompilerProcess,
    ) -> std::io::Result<Self> {
        let bytes = file::read(path, &config.limits)?;
        let size = std::fs::metadata(path)?.len();
        let file = PluginFile::new(&file::file_name(path), bytes);
        let inspection = Self::of(file, config, compiler).await;
        Ok(Self {
            bytes: size,
            ..inspection
        })
    }

    /// Inspects content that was not read from a file here.
    pub async fn of(file: PluginFile, config: &PluginConfig, compiler: &CompilerProcess) -> Self {
        let name = file.name.clone();
        let size = file.bytes.len();
        let is_whole = size <= config.limits.plugin_bytes;
        let (bytes, sha256) = (file.bytes.clone(), *file.sha256());
        let mut comparison = Comparison::default();
        let compiled = compare(file, config.clone(), compiler, &mut comparison).await;
        let kind = FileKind::of(&bytes);
        let is_pinned_otherwise = || config.check_pin(sha256).err();
        let refusal = match kind {
            FileKind::Component if is_whole => is_pinned_otherwise().or(compiled.err()),
            _ => compiled.err(),
        };
        let (metadata, producers) = match is_whole {
            true => metadata::find(&bytes),
            false => Default::default(),
        };
        Self {
            name,
            bytes: u64::try_from(size).unwrap_or(u64::MAX),
            sha256: is_whole.then_some(sha256),
            kind,
            metadata,
            producers,
            imports: comparison.imports,
            exports: comparison.exports,
            refusal,
        }
    }

    /// Returns the world of the contract, if all exports fit it.
    #[must_use]
    pub fn world(&self) -> Option<&'static str> {
        let fits =
            !self.exports.is_empty() && self.exports.iter().all(|export| export.mismatch.is_none());
        fits.then_some(contract::WORLD)
    }
}

/// Takes the steps of loading. A pinned digest does not keep the file from being compared.
async fn compare(
    file: PluginFile,
    mut config: PluginConfig,
    compiler: &CompilerProcess,
    comparison: &mut Comparison,
) -> Result<(), PluginError> {
    config.sha256 = None;
    let mut loading = Loading::start(file, config)?;
    let code = loading.compile_in_child(compiler).await?;
    loading.take(code)?;
    loading.link(comparison).map(drop)
}
