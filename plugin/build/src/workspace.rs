//! The guests of this workspace.

use std::env;
use std::path::PathBuf;

use crate::builder::build;
use crate::error::BuildError;
use crate::guest::Guest;
use crate::target_dir::{guests_dir, root};

/// Builds the reference plugin and returns its path: the value of `EDGE_CACHE_BUILT_PLUGIN`, which cargo sets
/// from the workspace's configuration.
///
/// Each call runs cargo, which takes 250 ms.
///
/// # Errors
///
/// Any [`BuildError`].
pub fn build_reference_plugin() -> Result<PathBuf, BuildError> {
    // A test program that is run without cargo uses the value at compile time.
    let set = env::var_os("EDGE_CACHE_BUILT_PLUGIN")
        .or(option_env!("EDGE_CACHE_BUILT_PLUGIN").map(Into::into));
    let output = PathBuf::from(set.ok_or(BuildError::NoOutput)?);
    Ok(build(&Guest::new(root().join("plugin"))?, &output)?.path)
}

/// Builds the guest in the folder `tests/guests/<name>` and returns the path of its component.
///
/// # Errors
///
/// Any [`BuildError`] but [`BuildError::NoOutput`].
pub fn build_guest(name: &str) -> Result<PathBuf, BuildError> {
    let guest = Guest::new(root().join("tests/guests").join(name))?;
    let output = guests_dir()
        .join("components")
        .join(name)
        .with_extension("wasm");
    Ok(build(&guest, &output)?.path)
}
