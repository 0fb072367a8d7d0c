//! The command line.

mod client;
mod feed;
mod parse;
mod plugin;
mod snapshot;

use std::ffi::OsString;

use std::io;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

pub use self::client::{
    AgentArgs, ApplyArgs, ClientCommand, ConnectionArgs, DisableArgs, EnableArgs, NodeArgs,
    NodesArgs, OutputFormat, PeersArgs, ReloadArgs, RolloutArgs, RouteArgs, RunningPlugin,
    SaveArgs, StatsArgs, SwapArgs, WaitArgs,
};
pub use self::feed::{FeedArgs, FeedCommand, LogArgs, VarnishArgs};
pub use self::parse::{Parsed, parse, settings_of_run};
pub use self::plugin::{
    CheckArgs, ComposeArgs, HostArgs, InspectArgs, KeygenArgs, Language, NewArgs, PluginCommand,
    PullArgs, PushArgs, SignArgs, TryArgs, VerifyArgs,
};

pub use self::snapshot::{RestoreArgs, SnapshotArgs, SnapshotCommand};

use crate::config;
use crate::data_dir::DataDirArgs;
use crate::settings::AgentSettings;
use crate::tokens::Role;

#[cfg(test)]
mod tests;

/// A node agent that hosts an edge-cache registry.
#[derive(Debug, Parser)]
#[command(name = "edge-cache-agent", version, after_help = client::EXIT_CODES)]
#[command(override_usage = "edge-cache-agent [COMMAND] [OPTIONS]")]
pub struct Cli {
    /// The command; `run` by default.
    #[command(subcommand)]
    pub command: Command,
}

/// A command of the binary.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an agent (default)
    Run(Box<AgentSettings>),
    /// Create keys for gossip
    #[command(subcommand)]
    Gossip(GossipCommand),
    /// Create tokens for the HTTP API
    #[command(subcommand)]
    Token(TokenCommand),
    /// Check settings, or print an example file
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the man pages, one per command, into a directory
    Man {
        /// The directory, which must exist
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Inspect and check plugin files, and manage the plugin of a running agent
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Put the hits and misses of a cache at the agent of its node, until its log ends or a signal comes
    #[command(subcommand)]
    Feed(FeedCommand),
    /// Save the state of a running agent, inspect a snapshot, and restore one
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// Make a data directory for the agent of another user; for containers, whose directories belong to root
    DataDir(DataDirArgs),
    /// A request to a running agent.
    #[command(flatten)]
    Client(ClientCommand),
}

/// Commands for settings. They need no running agent.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Check settings without starting an agent; takes the same flags as `run`
    Check(Box<AgentSettings>),
    /// Print the settings in effect, each with its source and without secrets; takes the same flags as `run`
    Show(Box<AgentSettings>),
    /// Print a settings file with every setting, its default and its meaning
    Example,
}

/// Commands for gossip keys. They need no running agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum GossipCommand {
    /// Print a new key, as a line for a key file
    Keygen,
}

/// Commands for tokens. They need no running agent.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum TokenCommand {
    /// Print a new token: `token=` for the client and `line=` for the agents' token file
    New {
        /// Name of the token in log lines
        #[arg(long)]
        name: String,
        /// Role of the token: read, write or admin, each of which includes the previous ones; or stats, which only puts counters
        #[arg(long, value_parser = Role::parse)]
        role: Role,
    },
}

impl Command {
    /// Returns the settings of an agent, if the command has them.
    fn settings(&mut self) -> Option<&mut AgentSettings> {
        match self {
            Self::Run(settings)
            | Self::Config(ConfigCommand::Check(settings) | ConfigCommand::Show(settings)) => {
                Some(settings)
            }
            Self::Snapshot(SnapshotCommand::Restore(args)) => Some(&mut args.settings),
            _ => None,
        }
    }
}

/// Returns a warning for each variable with the prefix of settings that no command reads. Kubernetes, for one, sets some.
pub fn unknown_variables(names: impl IntoIterator<Item = OsString>) -> Vec<String> {
    config::unknown_variables(&Cli::command(), names)
}

/// Returns an example settings file with every setting of `run`.
#[must_use]
pub fn example() -> String {
    let whole = Cli::command();
    let run = whole.find_subcommand("run");
    run.map(config::example).unwrap_or_default()
}

/// Writes the man pages of all commands into a directory.
///
/// # Errors
///
/// A page cannot be written.
pub fn write_man_pages(directory: &Path) -> io::Result<()> {
    clap_mangen::generate_to(Cli::command(), directory)
}

/// Returns the completion script of a shell.
#[must_use]
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "edge-cache-agent", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
