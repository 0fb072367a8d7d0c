//! What goes in and what comes out: the nouns of the interface.

use std::io;
use std::path::{Path, PathBuf};

use crate::BuildError;

/// A crate whose library becomes a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    manifest: PathBuf,
    features: Vec<String>,
}

/// A component that lies ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: usize,
    /// Whether this build changed the file.
    pub changed: bool,
}

impl Guest {
    /// The guest whose `Cargo.toml`, or the folder that holds it, is at `manifest`.
    pub fn new(manifest: impl AsRef<Path>) -> Result<Self, BuildError> {
        let given = manifest.as_ref();
        let file = if given.is_dir() {
            given.join("Cargo.toml")
        } else {
            given.to_path_buf()
        };
        let found = if file.is_file() {
            std::path::absolute(&file)
        } else {
            Err(io::Error::new(
                io::ErrorKind::NotFound,
                "there is no such file; give a guest's Cargo.toml or its folder",
            ))
        };
        let manifest = found.map_err(|source| BuildError::File {
            action: "find the guest's manifest",
            path: file,
            source,
        })?;
        Ok(Self {
            manifest,
            features: Vec::new(),
        })
    }

    /// Adds a feature to those that the guest has by default.
    #[must_use]
    pub fn feature(mut self, feature: impl Into<String>) -> Self {
        self.features.push(feature.into());
        self
    }

    /// The absolute path of its `Cargo.toml`.
    pub fn manifest(&self) -> &Path {
        &self.manifest
    }

    /// The features it is built with, beside the default ones.
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// Where its manifest lies: cargo and rustc run there, so that a toolchain or a cargo setting
    /// of the guest's own counts for all of them alike.
    pub(crate) fn folder(&self) -> &Path {
        self.manifest.parent().unwrap_or(Path::new("."))
    }

    /// What people call it: the name of its folder.
    pub(crate) fn name(&self) -> String {
        self.folder()
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }
}
