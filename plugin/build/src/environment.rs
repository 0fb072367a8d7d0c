//! The environment of a cargo that runs within another cargo.
//!
//! The outer cargo sets variables that describe its build, and users set variables for native builds. The
//! bytes of a guest must not depend on either, but only on its sources and on this crate.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Returns whether the build of a guest gets a variable.
///
/// Settings about the source of crates and the use of the machine pass; settings about compilation do not.
/// `RUSTUP_TOOLCHAIN` passes, since the user chose the toolchain for the whole command.
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

/// Returns whether the outer cargo sets a variable to describe its child process.
///
/// A cargo that builds for users starts without them, as from a shell. Otherwise build scripts that watch one of
/// them would run again.
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

pub(crate) fn cargo_for_guests() -> Command {
    cargo_without(|name| !reaches_guests(name))
}

/// Replaces this process by cargo with `arguments`, in the environment of a shell. Returns if cargo cannot be started.
///
/// So signals, the terminal and the exit status are those of cargo.
pub fn hand_over_to_cargo(arguments: &[OsString]) -> anyhow::Error {
    let error = cargo().args(arguments).exec();
    let program = cargo_program();
    anyhow::Error::new(error).context(format!("could not run {}", program.display()))
}

/// Returns a cargo with the environment of a shell, whose builds are those that users make.
pub fn cargo() -> Command {
    cargo_without(describes_outer_build)
}

/// Returns the cargo that runs this process, or the one on the PATH.
pub(crate) fn cargo_program() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Returns whether a variable such as `EDGE_CACHE_INSTALL` is 1.
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
