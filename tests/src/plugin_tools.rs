//! `plugin inspect` and `plugin check` without a process: parsed and run as the binary does it.

use std::path::Path;

use anyhow::{Result, bail};
use edge_cache_agent::cli::{Command, Parsed, PluginCommand, parse};
use edge_cache_agent::plugin_tools::{self, ToolReport};

/// Runs a plugin tool and returns its report.
///
/// # Errors
///
/// The text that the binary would print on standard error.
pub fn report(tool: &str, file: &Path, args: &[&str]) -> Result<ToolReport> {
    let words = ["edge-cache-agent", "plugin", tool].map(Into::into);
    let args = args.iter().map(Into::into);
    let line = words.into_iter().chain([file.into()]).chain(args);
    let command = match parse(line, &|_| None) {
        Parsed::Cli(cli) => cli.command,
        Parsed::Text(text) | Parsed::Wrong { text, .. } => bail!(text),
    };
    match command {
        Command::Plugin(PluginCommand::Inspect(args)) => plugin_tools::inspect(&args),
        Command::Plugin(PluginCommand::Check(args)) => plugin_tools::check(&args),
        other => bail!("another command: {other:?}"),
    }
}
