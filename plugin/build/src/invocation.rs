//! The cargo command that compiles a guest.
//!
//! The bytes of the module depend only on the sources and the compiler.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::compiler::{Compiler, Library};
use crate::environment;
use crate::guest::Guest;
use crate::target::TARGET;

/// Profile of all guests, defined on the command line since a guest may be part of any workspace or none.
pub(crate) const PROFILE: &str = "component";
const SETTINGS: [(&str, &str); 9] = [
    ("inherits", "\"release\""),
    ("opt-level", "3"),
    ("lto", "true"),
    ("codegen-units", "1"),
    ("panic", "\"abort\""),
    ("strip", "true"),
    ("debug", "false"),
    ("debug-assertions", "false"),
    ("overflow-checks", "false"),
];

/// Returns the cargo command that compiles `guest` below `target_dir` and lists its files on standard output.
pub(crate) fn of(guest: &Guest, compiler: &Compiler, target_dir: &Path) -> Command {
    let mut command = environment::cargo_for_guests();
    command
        .current_dir(guest.folder())
        .args([
            "rustc",
            "--lib",
            "--crate-type",
            "cdylib",
            "--target",
            TARGET,
            "--profile",
            PROFILE,
        ])
        .args([
            "--message-format",
            "json-render-diagnostics",
            "--manifest-path",
        ])
        .arg(guest.manifest())
        .arg("--target-dir")
        .arg(target_dir)
        .env("RUSTC", &compiler.rustc.program)
        .env("CARGO_ENCODED_RUSTFLAGS", rust_flags(compiler));
    for (key, value) in SETTINGS {
        command
            .arg("--config")
            .arg(format!("profile.{PROFILE}.{key}={value}"));
    }
    for feature in guest.features() {
        command.arg("--features").arg(feature);
    }
    if compiler.library == Library::Source {
        command
            .arg("-Zbuild-std=std,panic_abort")
            .env("RUSTC_BOOTSTRAP", "1");
    }
    if let Some(linker) = &compiler.linker {
        command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    }
    // Cargo distinguishes crates of one name by their paths within their workspaces, so it would take two
    // guests that are workspaces of their own for one. A different argument distinguishes them.
    command.arg("--").arg(remap(guest.folder(), "."));
    command
}

/// Returns the flags that replace all others, including those of cargo's configuration for native code.
///
/// Panic messages contain paths of sources, which are remapped so that the component does not depend on them.
fn rust_flags(compiler: &Compiler) -> String {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".cargo")));
    let crates = home.map(|home| (home.join("registry/src"), "/crates"));
    let library = (compiler.rustc.sysroot.join("lib/rustlib/src/rust"), "/rust");
    let flags: Vec<_> = crates
        .into_iter()
        .chain([library])
        .map(|(from, to)| remap(&from, to))
        .collect();
    flags.join("\u{1f}")
}

fn remap(from: &Path, to: &str) -> String {
    format!("--remap-path-prefix={}={to}", from.display())
}
