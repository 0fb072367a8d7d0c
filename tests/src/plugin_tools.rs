//! `plugin inspect` and `plugin check` without a process: parsed and run as the binary does it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Result, anyhow, bail};
use edge_cache_host::agent::cli::{Command, Parsed, PluginCommand, parse};
use edge_cache_host::agent::plugin::{self, Told};

/// What the binary prints after `plugin`, and whether it ends with status 0.
///
/// # Errors
///
/// What it says on standard error where it prints nothing.
pub fn told(tool: &str, file: &Path, args: &[&str]) -> Result<Told> {
    let words = ["edge-cache-agent", "plugin", tool].map(Into::into);
    let args = args.iter().map(Into::into);
    let line = words.into_iter().chain([file.into()]).chain(args);
    let command = match parse(line, &|_| None) {
        Parsed::Cli(cli) => cli.command,
        Parsed::Text(text) | Parsed::Wrong { text, .. } => bail!(text),
    };
    match command {
        Command::Plugin(PluginCommand::Inspect(args)) => Ok(plugin::inspect(&args)?),
        Command::Plugin(PluginCommand::Check(args)) => Ok(plugin::check(&args)?),
        other => bail!("it is another command: {other:?}"),
    }
}

/// The reference with one semantic broken on demand, built once in a process.
///
/// # Errors
///
/// Whatever kept it from being built.
pub fn mutant() -> Result<&'static Path> {
    static PATH: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    guest(&PATH, "mutant")
}

/// The registry of allowed regions, built once in a process.
///
/// # Errors
///
/// Whatever kept it from being built.
pub fn region() -> Result<&'static Path> {
    static PATH: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    guest(&PATH, "region")
}

/// The component that is built against the frozen 0.1.0, built once in a process.
///
/// # Errors
///
/// Whatever kept it from being built.
pub fn released() -> Result<&'static Path> {
    static PATH: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    guest(&PATH, "released")
}

fn guest(path: &'static OnceLock<Result<PathBuf, String>>, name: &str) -> Result<&'static Path> {
    path.get_or_init(|| edge_cache_build::guest_component(name).map_err(|e| format!("{e:#}")))
        .as_deref()
        .map_err(|error| anyhow!("the guest {name} is not there: {error}"))
}
