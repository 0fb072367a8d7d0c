//! The compiler for guests: the one that cargo uses, with the target installed.
//!
//! Each build queries it, which takes 50 ms, since an update may change it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::environment::is_on;
use crate::output::report;

/// Name of the target. It has no system interface, so a guest imports only what its world contains.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Installs the target in the user's rustup.
const RUSTUP: &str = "rustup target add wasm32-unknown-unknown";
/// Installs the target of the distribution's compiler.
const DEBIAN: &str =
    "apt-get update && apt-get install -y --no-install-recommends libstd-rust-dev-wasm32 lld";

/// A compiler with the target.
#[derive(Debug)]
pub(crate) struct Rustc {
    pub(crate) program: PathBuf,
    /// Directory of its libraries.
    pub(crate) sysroot: PathBuf,
}

/// Returns the compiler that cargo uses in `folder`. Installs the target if it is missing and that is permitted.
pub(crate) fn find(folder: &Path) -> Result<Rustc> {
    if let Some(rustc) = query(folder)? {
        return Ok(rustc);
    }
    let mut failures = String::new();
    for command in permitted(is_on("EDGE_CACHE_NO_INSTALL"), is_on("EDGE_CACHE_INSTALL")) {
        report(&format!("{TARGET} is not installed; running `{command}`"));
        match run(command, folder) {
            Ok(()) => {
                if let Some(rustc) = query(folder)? {
                    return Ok(rustc);
                }
            }
            Err(failure) => failures.push_str(&format!("; {failure:#}")),
        }
    }
    bail!(
        "the compiler has no target {TARGET}{failures}: run `{RUSTUP}`, or as root on a Debian whose rustc is new enough \
         `EDGE_CACHE_INSTALL=1 cargo plugin`"
    )
}

/// Returns the permitted commands, the one with fewer changes first.
fn permitted(no_install: bool, install: bool) -> &'static [&'static str] {
    match (no_install, install) {
        (true, _) => &[],
        (false, false) => &[RUSTUP],
        (false, true) => &[RUSTUP, DEBIAN],
    }
}

/// Queries the compiler. `None`: its standard library for the target is not installed.
fn query(folder: &Path) -> Result<Option<Rustc>> {
    let program = PathBuf::from(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let output = Command::new(&program)
        .args(["--print", "sysroot", "--print", "target-libdir"])
        .args(["--target", TARGET])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .with_context(|| could_not_run(&program))?;
    let answers = String::from_utf8_lossy(&output.stdout);
    let (Some(sysroot), Some(library), true) = (
        answers.lines().next(),
        answers.lines().nth(1),
        output.status.success(),
    ) else {
        bail!("{} does not know the target {TARGET}", program.display());
    };
    let sysroot = PathBuf::from(sysroot);
    // The compiler itself, not a proxy that would choose again.
    let own = sysroot
        .join("bin/rustc")
        .with_extension(env::consts::EXE_EXTENSION);
    let rustc = Rustc {
        program: if own.is_file() { own } else { program },
        sysroot,
    };
    let library = Path::new(library);
    let is_installed = has_library(library, "libcore-") && has_library(library, "libstd-");
    Ok(is_installed.then_some(rustc))
}

/// Returns whether a folder contains a library.
///
/// The folder of a target exists even without its libraries, so its existence proves nothing.
fn has_library(folder: &Path, prefix: &str) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with(prefix) && name.ends_with(".rlib")
    })
}

/// Runs a command of the shell. The error contains its last message.
fn run(command: &str, folder: &Path) -> Result<()> {
    let output = Command::new("sh")
        .args(["-c", command])
        .current_dir(folder)
        // Packages use their defaults instead of asking questions.
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .with_context(|| could_not_run(Path::new("sh")))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    ensure!(
        output.status.success(),
        "`{command}` failed: {}",
        last.unwrap_or("it gave no reason").trim()
    );
    Ok(())
}

/// Describes a program that could not be started.
pub(crate) fn could_not_run(program: &Path) -> String {
    format!(
        "could not run {}; it has to be installed and on the PATH",
        program.display()
    )
}

#[cfg(test)]
mod tests;
