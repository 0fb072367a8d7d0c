//! The command line.

mod client;
mod feed;
mod parse;
mod plugin;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

pub use self::client::{
    AgentArgs, ClientCommand, ConnectionArgs, DisableArgs, EnableArgs, NodeArgs, OutputFormat,
    PeersArgs, PeersCommand, RouteArgs, RunningPlugin, StatsArgs, SwapArgs, WaitArgs,
};
pub use self::feed::{FeedArgs, FeedCommand, LogArgs, VarnishArgs};
pub use self::parse::{Parsed, parse};
pub use self::plugin::{CheckArgs, HostArgs, InspectArgs, PluginCommand};

use crate::config;
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
    /// Inspect and check plugin files, and manage the plugin of a running agent
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Put the hits and misses of a cache at the agent of its node, until its log ends or a signal comes
    #[command(subcommand)]
    Feed(FeedCommand),
    /// A request to a running agent.
    #[command(flatten)]
    Client(ClientCommand),
}

/// Commands for settings. They need no running agent.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Check settings without starting an agent; takes the same flags as `run`
    Check(Box<AgentSettings>),
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

/// Returns an example settings file with every setting of `run`.
#[must_use]
pub fn example() -> String {
    let whole = Cli::command();
    let run = whole.find_subcommand("run");
    run.map(config::example).unwrap_or_default()
}

/// Returns the completion script of a shell.
#[must_use]
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "edge-cache-agent", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
