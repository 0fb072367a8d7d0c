//! The part of the command line that asks a running agent.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, Subcommand, ValueEnum};

use crate::client::Address;
use crate::settings::values::{count, parse_node_id, parse_sha256, time};
use edge_cache_api::limits::WAIT_MAX;
use edge_cache_host::routing::REPLICAS_MAX;

/// What a script can go by, as the help shows it.
pub(super) const EXIT_CODES: &str = "Exit codes:
  0  it did what was asked
  1  it could not: no answer, or the agent failed
  2  the command line or a setting is wrong
  3  there is no such node
  4  the agent refused what was asked
  5  it is done, but the labels have not followed in time (--wait)";
/// How long an answer may take at the very least.
const TIMEOUT_MIN: Duration = Duration::from_millis(1);
/// And at most: nobody waits for longer.
const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);

/// What a running agent can be asked.
#[derive(Debug, Clone, Subcommand)]
pub enum ClientCommand {
    /// List the eligible nodes
    Nodes(AgentArgs),
    /// Show all that is known of a node
    Node(NodeArgs),
    /// Enable a node, over what it was
    Enable(EnableArgs),
    /// Disable a node
    Disable(DisableArgs),
    /// Show the counters of a node, or add to them
    Stats(StatsArgs),
    /// List the members of the cluster: those that live, leave or are dead
    Peers(PeersArgs),
    /// Show which nodes serve a key, best first
    Route(RouteArgs),
    /// Follow the changes of nodes and peers until interrupted
    Events(AgentArgs),
    /// Have the agent tell its peers that it leaves, and stop
    Leave(AgentArgs),
    /// The component that decides. Its commands stand beside those that need no agent.
    #[command(skip)]
    Plugin(RunningPlugin),
}

/// What there is to do about the component of a running agent.
#[derive(Debug, Clone, Subcommand)]
pub enum RunningPlugin {
    /// Show which component an agent runs, and how it is doing
    Show(AgentArgs),
    /// Show the latest lines of its log
    Logs(AgentArgs),
    /// Replace the plugin of a running agent until the agent ends
    Swap(SwapArgs),
}

/// Another component.
#[derive(Debug, Clone, Args)]
pub struct SwapArgs {
    /// Its file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The SHA-256 that it must have; an agent that is pinned takes another one only with it
    #[arg(long, value_name = "HEX", value_parser = parse_sha256)]
    pub sha256: Option<[u8; 32]>,
    /// Which agent is asked.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// A table for people
    Table,
    /// What the agent said, as JSON on one line
    Json,
}

/// What a member of the cluster is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatusArg {
    /// It takes part
    Alive,
    /// It has said that it is about to stop
    Leaving,
    /// Nothing is heard of it any more
    Dead,
}

/// Which agent is asked, and how.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXIT_CODES)]
pub struct AgentArgs {
    /// The agent, as HOST:PORT (plain), http://HOST:PORT or https://HOST:PORT
    #[arg(
        long,
        env = "EDGE_CACHE_ADDR",
        value_name = "ADDR",
        default_value = "http://127.0.0.1:7947"
    )]
    pub addr: Address,
    /// A file that holds the bearer's token alone, as `token new` prints it behind `token=`
    #[arg(long, env = "EDGE_CACHE_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The roots to trust, PEM. An https:// address needs it, for those of the system are not used
    #[arg(long, env = "EDGE_CACHE_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Let the token travel in the clear beyond loopback, over a network that is encrypted below
    #[arg(long, env = "EDGE_CACHE_INSECURE_HTTP", value_parser = BoolishValueParser::new())]
    pub insecure_http: bool,
    /// How long the answer may take, on top of --wait
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time(TIMEOUT_MIN..=TIMEOUT_MAX))]
    pub timeout: Duration,
    /// How the answer is printed
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: OutputFormat,
}

/// A node.
#[derive(Debug, Clone, Args)]
pub struct NodeArgs {
    /// The number of the node
    #[arg(value_name = "NODE", value_parser = parse_node_id)]
    pub node_id: u64,
    /// Which agent is asked.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// A registration.
#[derive(Debug, Clone, Args)]
pub struct EnableArgs {
    /// The number of the node
    #[arg(value_name = "NODE", value_parser = parse_node_id)]
    pub node_id: u64,
    /// Processor cores that it gives
    #[arg(long, value_name = "NUMBER")]
    pub cpu_cores: u32,
    /// Memory that it gives, in MiB
    #[arg(long, value_name = "NUMBER")]
    pub ram_mib: u64,
    /// Disk that it gives, in MiB
    #[arg(long, value_name = "NUMBER")]
    pub disk_mib: u64,
    /// Where it is, for instance eu-west-1
    #[arg(long)]
    pub geo: Option<String>,
    /// Wait until its labels are seen
    #[command(flatten)]
    pub wait: WaitArgs,
    /// Which agent is asked.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// The end of a registration.
#[derive(Debug, Clone, Args)]
pub struct DisableArgs {
    /// The number of the node
    #[arg(value_name = "NODE", value_parser = parse_node_id)]
    pub node_id: u64,
    /// Wait until its labels are gone
    #[command(flatten)]
    pub wait: WaitArgs,
    /// Which agent is asked.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// How long to wait for labels.
#[derive(Debug, Clone, Copy, Args)]
pub struct WaitArgs {
    /// Wait until the labels have followed, for so long at most; 5s where no time is given
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "5s", value_parser = time(Duration::ZERO..=WAIT_MAX), action = ArgAction::Set)]
    pub wait: Option<Duration>,
}

/// Counters to be shown or added to.
#[derive(Debug, Clone, Args)]
pub struct StatsArgs {
    /// The number of the node
    #[arg(value_name = "NODE", value_parser = parse_node_id)]
    pub node_id: u64,
    /// Requests that the cache served, to be added
    #[arg(long, value_name = "NUMBER")]
    pub add_hits: Option<u64>,
    /// Requests that went on to the origin, to be added
    #[arg(long, value_name = "NUMBER")]
    pub add_misses: Option<u64>,
    /// Which agent is asked.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// Which members are listed.
#[derive(Debug, Clone, Args)]
pub struct PeersArgs {
    /// Only members of this status
    #[arg(long)]
    pub status: Option<StatusArg>,
    /// Which agent is asked.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// A key and who asks for it.
#[derive(Debug, Clone, Args)]
pub struct RouteArgs {
    /// What is to be served, for instance a URL
    pub key: String,
    /// How many nodes to name; three where nothing is said
    #[arg(long, value_name = "NUMBER", value_parser = count(1..=REPLICAS_MAX))]
    pub replicas: Option<usize>,
    /// Where the asker is: nodes there come first, then those of its region
    #[arg(long)]
    pub geo: Option<String>,
    /// Which agent is asked.
    #[command(flatten)]
    pub agent: AgentArgs,
}

impl ClientCommand {
    /// Which agent is asked, and how.
    #[must_use]
    pub fn agent(&self) -> &AgentArgs {
        match self {
            Self::Nodes(agent) | Self::Events(agent) | Self::Leave(agent) => agent,
            Self::Node(args) => &args.agent,
            Self::Enable(args) => &args.agent,
            Self::Disable(args) => &args.agent,
            Self::Stats(args) => &args.agent,
            Self::Peers(args) => &args.agent,
            Self::Route(args) => &args.agent,
            Self::Plugin(RunningPlugin::Show(agent) | RunningPlugin::Logs(agent)) => agent,
            Self::Plugin(RunningPlugin::Swap(args)) => &args.agent,
        }
    }
}

impl WaitArgs {
    /// Whether there is anything to wait for.
    #[must_use]
    pub fn is_waiting(self) -> bool {
        self.wait.is_some_and(|time| !time.is_zero())
    }
}

impl StatusArg {
    /// As the API has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Leaving => "leaving",
            Self::Dead => "dead",
        }
    }
}
