//! `plugin inspect` and `plugin check` without a process: parsed and run as the binary does it.

use std::path::Path;

use anyhow::{Result, bail};
use edge_cache_agent::cli::{Command, Parsed, PluginCommand, parse};
use edge_cache_agent::plugin::{self, Told};

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
