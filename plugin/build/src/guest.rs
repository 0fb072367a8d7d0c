//! A guest crate, and the result of building it.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::BuildError;

/// A crate whose library is built as a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    manifest: PathBuf,
    features: Vec<String>,
}

/// A component that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Path of the file.
    pub path: PathBuf,
    /// Size in bytes.
    pub size: usize,
    /// True if this build changed the file.
    pub changed: bool,
}

impl Guest {
    /// Finds the guest with this `Cargo.toml`, or with this folder.
    ///
    /// # Errors
    ///
    /// [`BuildError::File`] if there is no such file.
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

    /// Enables a feature in addition to the default ones.
    #[must_use]
    pub fn feature(mut self, feature: impl Into<String>) -> Self {
        self.features.push(feature.into());
        self
    }

    /// Returns the absolute path of the `Cargo.toml`.
    pub fn manifest(&self) -> &Path {
        &self.manifest
    }

    /// Returns the features in addition to the default ones.
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// Returns the folder of the manifest, in which cargo and rustc run.
    ///
    /// So a toolchain or cargo setting of the guest applies to all of them.
    pub(crate) fn folder(&self) -> &Path {
        self.manifest.parent().unwrap_or(Path::new("."))
    }

    /// Returns the name of the folder, used in messages.
    pub(crate) fn name(&self) -> String {
        self.folder()
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }
}
