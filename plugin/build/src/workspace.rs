//! The guests of this workspace, and where their builds go.

use std::env;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use crate::{BuildError, Guest, build, nested};

/// Builds the reference component and answers its path: the value of `EDGE_CACHE_BUILT_PLUGIN`, which
/// cargo sets from the workspace's configuration.
///
/// Each call asks cargo anew, a quarter of a second; a process with many tests keeps the answer.
pub fn build_reference_plugin() -> Result<PathBuf, BuildError> {
    // The one of the time when this was compiled serves a test program that is run without cargo,
    // in a debugger.
    let set = env::var_os("EDGE_CACHE_BUILT_PLUGIN")
        .or(option_env!("EDGE_CACHE_BUILT_PLUGIN").map(Into::into));
    let output = PathBuf::from(set.ok_or(BuildError::NoOutput)?);
    Ok(build(&Guest::new(root().join("plugin"))?, &output)?.path)
}

/// Builds the guest in the folder `tests/guests/<name>` and answers its component's path.
pub fn build_guest(name: &str) -> Result<PathBuf, BuildError> {
    let guest = Guest::new(root().join("tests/guests").join(name))?;
    let output = guests_dir()
        .join("components")
        .join(name)
        .with_extension("wasm");
    Ok(build(&guest, &output)?.path)
}

/// Where `guest` is compiled. All guests below this workspace share one folder: whoever comes first
/// compiles the standard library for the others. Each other workspace gets its own, since cargo
/// tells the crates of one workspace from those of another only by their paths within it.
pub(crate) fn target_dir(guest: &Guest) -> Result<PathBuf, BuildError> {
    let shared = guests_dir();
    if guest.folder().starts_with(root()) || guest.folder().starts_with(&shared) {
        return Ok(shared);
    }
    let workspace = nested::workspace_of(guest)?;
    let mut hasher = DefaultHasher::new();
    workspace.hash(&mut hasher);
    Ok(shared
        .join("foreign")
        .join(format!("{:016x}", hasher.finish())))
}

/// A target folder that only cargo's configuration names is not looked for: it would cost a call of
/// cargo each time, and the guests do well in the default one.
pub(crate) fn guests_dir() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").filter(|target| !target.is_empty());
    root()
        .join(target.unwrap_or_else(|| "target".into()))
        .join("guests")
}

/// The folder of the workspace. This crate is at `plugin/build`.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

#[cfg(test)]
mod tests;
