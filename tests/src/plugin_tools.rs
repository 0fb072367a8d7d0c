//! `plugin inspect`, `plugin check` and `plugin try` without a process: parsed and run as the binary does it.

use std::path::Path;
use std::thread;

use anyhow::{Result, bail};
use edge_cache_agent::cli::{Command, Parsed, PluginCommand, parse};
use edge_cache_agent::plugin_tools::{self, ToolReport};
use edge_cache_agent::run::runtime;
use tokio::runtime::Runtime;

use crate::agent::compiler;

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
        Command::Plugin(PluginCommand::Inspect(args)) => {
            with_runtime(|runtime| runtime.block_on(plugin_tools::inspect(&args, &compiler()?)))
        }
        Command::Plugin(PluginCommand::Check(args)) => {
            with_runtime(|runtime| plugin_tools::check(&args, runtime, &compiler()?))
        }
        Command::Plugin(PluginCommand::Try(args)) => {
            with_runtime(|runtime| plugin_tools::try_node(&args, runtime, &compiler()?))
        }
        other => bail!("another command: {other:?}"),
    }
}

/// Runs a tool on a thread of its own, since the caller may be a task of a runtime.
fn with_runtime(tool: impl FnOnce(&Runtime) -> Result<ToolReport> + Send) -> Result<ToolReport> {
    let ran = thread::scope(|scope| scope.spawn(|| tool(&runtime()?)).join());
    ran.unwrap_or_else(|_| bail!("the tool panicked"))
}
