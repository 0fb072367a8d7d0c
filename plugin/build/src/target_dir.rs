//! The target folders of guests.

use std::env;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cargo;

/// Returns the target folder of the guest with this manifest.
///
/// All guests below this workspace share one, so that the standard library is compiled once. Every other
/// workspace has its own, since cargo distinguishes crates only by their paths within a workspace.
pub(crate) fn of(manifest: &Path) -> Result<PathBuf> {
    let shared = guests_dir();
    if manifest.starts_with(root()) || manifest.starts_with(&shared) {
        return Ok(shared);
    }
    let workspace = cargo::workspace_of(manifest)?;
    let mut hasher = DefaultHasher::new();
    workspace.hash(&mut hasher);
    Ok(shared
        .join("foreign")
        .join(format!("{:016x}", hasher.finish())))
}

/// Returns the shared target folder of guests.
///
/// A target folder in cargo's configuration is ignored, since reading it would take a call of cargo each time.
pub(crate) fn guests_dir() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").filter(|target| !target.is_empty());
    root()
        .join(target.unwrap_or_else(|| "target".into()))
        .join("guests")
}

/// Returns the folder of the workspace. This crate is at `plugin/build`.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

#[cfg(test)]
mod tests;
