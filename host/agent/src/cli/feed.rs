//! Arguments of the feeders.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use edge_cache_client::SourceName;

use super::client::{ConnectionArgs, EXIT_CODES};
use crate::settings::values::{parse_node_id, time};

const EVERY_MIN: Duration = Duration::from_secs(1);
const EVERY_MAX: Duration = Duration::from_secs(60 * 60);

/// A feeder of counters.
#[derive(Debug, Clone, Subcommand)]
pub enum FeedCommand {
    /// Feed what varnishstat says of a Varnish: MAIN.cache_hit and MAIN.cache_miss
    Varnish(VarnishArgs),
    /// Feed what lines of a log on standard input say: HIT, STALE, UPDATING and REVALIDATED are hits; MISS, EXPIRED and
    /// BYPASS are misses
    Log(LogArgs),
}

/// Arguments of `feed varnish`.
#[derive(Debug, Clone, Args)]
pub struct VarnishArgs {
    /// Name of the cache among those of the node; each feeder needs one of its own
    #[arg(long, value_name = "NAME", default_value = "varnish")]
    pub source: SourceName,
    /// Working directory of the Varnish, as its -n; without it varnishstat's default
    #[arg(long, value_name = "DIR")]
    pub instance: Option<PathBuf>,
    /// Program that is run as `PROGRAM -j`
    #[arg(long, value_name = "PROGRAM", default_value = "varnishstat")]
    pub varnishstat: PathBuf,
    /// The node and the agent.
    #[command(flatten)]
    pub feed: FeedArgs,
}

/// Arguments of `feed log`.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// Name of the cache among those of the node; each feeder needs one of its own
    #[arg(long, value_name = "NAME", default_value = "log")]
    pub source: SourceName,
    /// The node and the agent.
    #[command(flatten)]
    pub feed: FeedArgs,
}

/// Arguments of all feeders.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXIT_CODES)]
pub struct FeedArgs {
    /// Id of the node whose requests are counted
    #[arg(long, value_name = "NODE", value_parser = parse_node_id)]
    pub node: u64,
    /// Time between two feeds
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time(EVERY_MIN..=EVERY_MAX))]
    pub every: Duration,
    /// The agent of the node.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
