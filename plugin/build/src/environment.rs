//! What a cargo started from within a cargo gets to see of the environment.
//!
//! The outer cargo describes its own build to its children, and people set variables for the native
//! build. A guest must come out the same either way: its sources and this crate decide its bytes,
//! not the shell it is built in.

use std::env;
use std::ffi::{OsStr, OsString};
use std::process::Command;

/// Whether the build of a guest gets the variable. Of cargo's settings those pass that say where
/// crates come from and how much of the machine may be used; those that say how to compile do not.
///
/// `RUSTUP_TOOLCHAIN` passes: a guest is built by the toolchain that the person chose for the whole
/// command.
fn reaches_guests(name: &str) -> bool {
    const PASS: [&str; 6] = [
        "CARGO_BUILD_JOBS",
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTRIES_",
        "CARGO_REGISTRY_",
    ];
    const STAY: [&str; 5] = ["CARGO", "__CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS"];
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    begins(&PASS) || !begins(&STAY)
}

/// Whether the outer cargo sets the variable to describe what it runs. A cargo that takes over from
/// it starts without them, as it would from a shell: build scripts that watch one of these would
/// run again, and their crates with them.
fn describes_outer_build(name: &str) -> bool {
    const WHOLE: [&str; 6] = [
        "CARGO",
        "CARGO_CRATE_NAME",
        "CARGO_MAKEFLAGS",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_TARGET_TMPDIR",
        "OUT_DIR",
    ];
    const PREFIXES: [&str; 3] = ["CARGO_BIN_", "CARGO_MANIFEST_", "CARGO_PKG_"];
    WHOLE.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// A cargo that builds a guest.
pub(crate) fn cargo_for_guests() -> Command {
    cargo_without(|name| !reaches_guests(name))
}

/// A cargo that takes over from the one that started this process.
pub(crate) fn cargo_in_succession() -> Command {
    cargo_without(describes_outer_build)
}

/// The cargo that runs this process, or else the one on the PATH.
pub(crate) fn cargo_program() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Whether a switch such as `EDGE_CACHE_INSTALL` is on.
pub(crate) fn is_on(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| value == "1")
}

fn cargo_without(is_removed: impl Fn(&str) -> bool) -> Command {
    let mut command = Command::new(cargo_program());
    let names = env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| OsStr::to_str(name).is_some_and(&is_removed)) {
        command.env_remove(name);
    }
    command
}

#[cfg(test)]
mod tests;
