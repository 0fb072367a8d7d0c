//! The nested cargo, which compiles a guest's library to a core module.
//!
//! The nested cargo uses a target folder of its own, so it never waits for the lock of a cargo that runs this process. The bytes of
//! the module depend only on the sources and the compiler.

use std::env;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::compiler::{Rustc, TARGET, could_not_run};
use crate::environment::{cargo_for_guests, cargo_program};

/// Profile of all guests, defined on the command line since a guest may be part of any workspace or none.
const PROFILE: &str = "component";
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

/// Returns the folder of a manifest, in which cargo and rustc run, so that the guest's own settings apply to them.
pub(crate) fn folder(manifest: &Path) -> &Path {
    manifest.parent().unwrap_or(Path::new("."))
}

/// Compiles the guest of a manifest below `target_dir`, with these features beside its default ones, and returns the
/// path of its module.
///
/// Cargo shows its progress on a terminal; elsewhere it prints only what is wrong.
pub(crate) fn build_module(
    manifest: &Path,
    features: &[&str],
    rustc: &Rustc,
    target_dir: &Path,
) -> Result<PathBuf> {
    let mut command = invocation(manifest, rustc, target_dir);
    if !features.is_empty() {
        command.arg("--features").arg(features.join(","));
    }
    if !io::stderr().is_terminal() {
        command.arg("--quiet");
    }
    // Cargo distinguishes crates of one name by their paths within their workspaces, so it would take two
    // guests that are workspaces of their own for one. A different argument distinguishes them.
    command.arg("--").arg(remap(folder(manifest), "."));
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut cargo = command.spawn().with_context(not_run)?;
    let module = cargo.stdout.take().and_then(last_module);
    let status = cargo.wait().with_context(not_run)?;
    ensure!(
        status.success(),
        "cargo could not build the guest {} ({status}); its messages are above",
        manifest.display()
    );
    module.with_context(|| {
        format!(
            "cargo made no wasm module of the guest {}; a guest needs a library target",
            manifest.display()
        )
    })
}

pub(crate) fn workspace_of(manifest: &Path) -> Result<PathBuf> {
    let arguments = ["locate-project", "--workspace", "--message-format", "plain"];
    let found = ask(manifest, "could not find the workspace of", &arguments)?;
    let path = String::from_utf8_lossy(&found);
    Ok(PathBuf::from(path.trim_end()))
}

/// Returns what cargo knows of the package of a manifest; null if the manifest has none.
pub(crate) fn package_of(manifest: &Path) -> Result<Value> {
    let arguments = ["metadata", "--no-deps", "--format-version", "1"];
    let told = ask(manifest, "could not describe", &arguments)?;
    let told: Value = serde_json::from_slice(&told)?;
    let packages = told.get("packages").and_then(Value::as_array).into_iter();
    let path = manifest.to_str();
    let package = packages
        .flatten()
        .find(|package| package.get("manifest_path").and_then(Value::as_str) == path);
    Ok(package.cloned().unwrap_or_default())
}

/// Returns what cargo prints about a guest.
fn ask(manifest: &Path, failure: &str, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = cargo_for_guests()
        .current_dir(folder(manifest))
        .args(arguments)
        .arg("--manifest-path")
        .arg(manifest)
        .stderr(Stdio::inherit())
        .output()
        .with_context(not_run)?;
    ensure!(
        output.status.success(),
        "cargo {failure} the guest {}; its messages are above",
        manifest.display()
    );
    Ok(output.stdout)
}

fn not_run() -> String {
    could_not_run(Path::new(&cargo_program()))
}

/// Returns the cargo command that compiles a guest and lists its files on standard output.
fn invocation(manifest: &Path, rustc: &Rustc, target_dir: &Path) -> Command {
    let mut command = cargo_for_guests();
    command
        .current_dir(folder(manifest))
        .args(["rustc", "--lib", "--crate-type", "cdylib"])
        .args(["--target", TARGET, "--profile", PROFILE])
        .args(["--message-format", "json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--target-dir")
        .arg(target_dir)
        .env("RUSTC", &rustc.program)
        .env("CARGO_ENCODED_RUSTFLAGS", rust_flags(rustc));
    for (key, value) in SETTINGS {
        command
            .arg("--config")
            .arg(format!("profile.{PROFILE}.{key}={value}"));
    }
    command
}

/// Returns the flags that replace all others, including those of cargo's configuration for native code.
///
/// Panic messages contain paths of sources, which are remapped so that the component does not depend on them.
fn rust_flags(rustc: &Rustc) -> String {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".cargo")));
    let crates = home.map(|home| (home.join("registry/src"), "/crates"));
    let library = (rustc.sysroot.join("lib/rustlib/src/rust"), "/rust");
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

/// Returns the module that cargo's messages name last: the guest's own, since dependencies are built before
/// it.
fn last_module(messages: impl Read) -> Option<PathBuf> {
    let lines = BufReader::new(messages).split(b'\n').map_while(Result::ok);
    let files = lines.filter_map(|line| {
        let message: Value = serde_json::from_slice(&line).ok()?;
        let files = message.get("filenames")?.as_array()?;
        files
            .iter()
            .filter_map(Value::as_str)
            .map(PathBuf::from)
            .find(|file| file.extension().is_some_and(|name| name == "wasm"))
    });
    files.last()
}
