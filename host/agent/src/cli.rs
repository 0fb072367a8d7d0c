//! The command line.

mod client;
mod command;
mod parse;
mod plugin;

pub use self::client::{
    AgentArgs, ClientCommand, DisableArgs, EnableArgs, NodeArgs, OutputFormat, PeersArgs,
    RouteArgs, RunningPlugin, StatsArgs, SwapArgs, WaitArgs,
};
pub use self::command::{
    Cli, Command, ConfigCommand, GossipCommand, TokenCommand, completions, example,
};
pub use self::parse::{Parsed, parse};
pub use self::plugin::{CheckArgs, HostArgs, InspectArgs, PluginCommand};

#[cfg(test)]
mod tests;
