//! Arguments of the commands for snapshots.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::client::{OutputFormat, SaveArgs};
use crate::settings::AgentSettings;
use crate::settings::values::parse_node_id;

/// A command for the snapshots of an agent's state.
#[derive(Debug, Clone, Subcommand)]
pub enum SnapshotCommand {
    /// Write a copy of the state of a running agent to a file
    Save(SaveArgs),
    /// Show what a snapshot holds; needs no agent
    Inspect(SnapshotArgs),
    /// Make a snapshot the state of an agent that does not run; takes the same flags as `run`
    Restore(Box<RestoreArgs>),
}

/// Arguments of `snapshot inspect`.
#[derive(Debug, Clone, Args)]
pub struct SnapshotArgs {
    /// The snapshot
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print the eligible nodes as JSON, which `apply` takes
    #[arg(long)]
    pub nodes: bool,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: OutputFormat,
}

/// Arguments of `snapshot restore`.
#[derive(Debug, Clone, Args)]
pub struct RestoreArgs {
    /// The snapshot
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The node of the snapshot, if it is not this one: its registry is taken over, its labels and peers are not
    #[arg(long, value_name = "NODE", value_parser = parse_node_id)]
    pub from_node: Option<u64>,
    /// The settings of the agent.
    #[command(flatten)]
    pub settings: AgentSettings,
}
