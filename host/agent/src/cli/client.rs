//! Arguments of the commands for a running agent.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{BoolishValueParser, PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, Subcommand, ValueEnum};
use edge_cache_client::limits::WAIT_MAX;
use edge_cache_client::{Address, MemberStatus};
use edge_cache_distribution::{Digest, Reference};
use edge_cache_host::routing::REPLICAS_MAX;
use strum::VariantNames;

use crate::settings::PluginSource;
use crate::settings::values::{count, parse_node_id, parse_pair, parse_sha256, time};

/// The exit codes, as the help shows them.
pub(super) const EXIT_CODES: &str = "Exit codes:
  0  success
  1  failure: no valid response, or the agent failed
  2  the command line or a setting is invalid
  3  the node does not exist
  4  the agent refused the request
  5  the change is made, but the labels have not followed in time (--wait)
  6  the change is made, but the node's own agent refuses it (--wait)";
const TIMEOUT_MIN: Duration = Duration::from_millis(1);
const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);

/// A command for a running agent.
#[derive(Debug, Clone, Subcommand)]
pub enum ClientCommand {
    /// Show which agent this is: addresses, readiness, plugin, store, and the settings that are not defaults
    Status(AgentArgs),
    /// List the eligible nodes
    Nodes(NodesArgs),
    /// Show the state of a node
    Node(NodeArgs),
    /// Enable a node, or replace its capacity
    Enable(EnableArgs),
    /// Disable a node
    Disable(DisableArgs),
    /// Make the nodes of a file the eligible ones, with a preview by --dry-run
    Apply(ApplyArgs),
    /// Show the counters of a node, or add to them
    Stats(StatsArgs),
    /// List the members of the cluster: alive, leaving, left and failed ones
    Peers(PeersArgs),
    /// Make the asked agent forget a failed member, which is remembered for 72 hours otherwise; ask every agent
    Forget(NodeArgs),
    /// List the nodes that serve a key, best first
    Route(RouteArgs),
    /// Follow the changes of nodes and peers until interrupted
    Events(AgentArgs),
    /// Make the agent read its settings and files again; shows what has changed, failed or needs a restart
    Reload(AgentArgs),
    /// Tell the peers that the agent leaves, and stop it
    Leave(AgentArgs),
    /// The command `snapshot save`. It is declared among the snapshot commands that need no agent.
    #[command(skip)]
    SaveSnapshot(SaveArgs),
    /// A command for the plugin. It is declared among the plugin commands that need no agent.
    #[command(skip)]
    Plugin(RunningPlugin),
}

/// A command for the plugin of a running agent.
#[derive(Debug, Clone, Subcommand)]
pub enum RunningPlugin {
    /// Show the plugin of a running agent and its state
    Show(AgentArgs),
    /// Show the latest lines of the plugin's log
    Logs(AgentArgs),
    /// Replace the plugin of a running agent until the agent ends
    Swap(SwapArgs),
    /// Make a running agent read its declared plugin again, and run it where it has changed
    Reload(ReloadArgs),
    /// Make a running agent go back to its declared plugin and settings
    Revert(AgentArgs),
    /// Let agents run another version of their declared plugin, one after the other
    Rollout(RolloutArgs),
}

/// Arguments of `plugin rollout`.
#[derive(Debug, Clone, Args)]
pub struct RolloutArgs {
    /// The plugin, as the agents' settings declare it; a digest behind its tag is rolled out instead of the tag's own
    #[arg(value_name = "REFERENCE")]
    pub reference: Reference,
    /// The agents, in this order; without it, all that announce an address (`http.advertise`) to the agent at --addr
    #[arg(long, value_name = "ADDR", value_delimiter = ',')]
    pub agents: Vec<Address>,
    /// Roll out a plugin that the agents' settings do not declare: their next start runs the declared one
    #[arg(long)]
    pub until_restart: bool,
    /// Time that each agent may take to be ready and seen
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time(TIMEOUT_MIN..=TIMEOUT_MAX))]
    pub patience: Duration,
    /// The agent that is asked for the others.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// Arguments of `plugin swap`.
#[derive(Debug, Clone, Args)]
pub struct SwapArgs {
    /// The plugin: a file, with which FILE.proof is sent if there is one, or a reference that the agent pulls
    #[arg(value_name = "SOURCE")]
    pub source: PluginSource,
    /// A setting of the plugin, in place of all that are declared; repeatable
    #[arg(long = "setting", value_name = "KEY=VALUE", value_parser = parse_pair, action = ArgAction::Append)]
    pub settings: Vec<(String, String)>,
    /// Expected SHA-256 of the plugin file; required by an agent whose plugin is pinned
    #[arg(long, value_name = "HEX", value_parser = parse_sha256)]
    pub sha256: Option<[u8; 32]>,
    /// The agent.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// Arguments of `plugin reload`.
#[derive(Debug, Clone, Args)]
pub struct ReloadArgs {
    /// Ask the registry for the digest that the declared tag has now
    #[arg(long)]
    pub pull: bool,
    /// Let the declared tag mean this digest from now on
    #[arg(long, value_name = "sha256:HEX")]
    pub digest: Option<Digest>,
    /// The agent.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// An output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// A table for people
    Table,
    /// The response of the agent as JSON on one line
    Json,
}

/// The agent, and how it is reached.
#[derive(Debug, Clone, Args)]
pub struct ConnectionArgs {
    /// Address of the agent: HOST:PORT or http://HOST:PORT for plain HTTP, or https://HOST:PORT
    #[arg(
        long,
        env = "EDGE_CACHE_ADDR",
        value_name = "ADDR",
        default_value = "http://127.0.0.1:7947"
    )]
    pub addr: Address,
    /// File that holds the token and nothing else: the text after `token=` in the output of `token new`
    #[arg(long, env = "EDGE_CACHE_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// PEM file of root certificates, needed for https://; those of the system are not used
    #[arg(long, env = "EDGE_CACHE_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Send the token over plain HTTP beyond loopback; only where the network itself is encrypted
    #[arg(long, env = "EDGE_CACHE_HTTP_INSECURE", value_parser = BoolishValueParser::new())]
    pub insecure_http: bool,
    /// Time limit of the response, on top of --wait
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time(TIMEOUT_MIN..=TIMEOUT_MAX))]
    pub timeout: Duration,
}

/// The agent, and the format of the output.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXIT_CODES)]
pub struct AgentArgs {
    /// The agent.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: OutputFormat,
}

/// Arguments of `nodes`.
#[derive(Debug, Clone, Args)]
pub struct NodesArgs {
    /// Only nodes of this location, for instance eu-west-1
    #[arg(long)]
    pub geo: Option<String>,
    /// The largest number of nodes to list; all without it
    #[arg(long, value_name = "NUMBER", value_parser = count(1..=usize::MAX))]
    pub limit: Option<usize>,
    /// Only nodes with a larger id than this one
    #[arg(long, value_name = "NODE", value_parser = parse_node_id)]
    pub after: Option<u64>,
    /// The agent.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// Arguments of `apply`.
#[derive(Debug, Clone, Args)]
pub struct ApplyArgs {
    /// The list, as `nodes --format json` prints it; - is standard input. A node that it does not have is disabled
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Show what would be changed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The agent.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// Arguments of `snapshot save`.
#[derive(Debug, Clone, Args)]
pub struct SaveArgs {
    /// The file; one that exists is replaced
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The agent.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// A node, and the agent that is asked about it.
#[derive(Debug, Clone, Args)]
pub struct NodeArgs {
    /// Id of the node
    #[arg(value_name = "NODE", value_parser = parse_node_id)]
    pub node_id: u64,
    /// The agent.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// Arguments of `enable`.
#[derive(Debug, Clone, Args)]
pub struct EnableArgs {
    /// Processor cores for the cache
    #[arg(long, value_name = "NUMBER")]
    pub cpu_cores: u32,
    /// Memory for the cache, in MiB
    #[arg(long, value_name = "NUMBER")]
    pub ram_mib: u64,
    /// Disk for the cache, in MiB
    #[arg(long, value_name = "NUMBER")]
    pub disk_mib: u64,
    /// Location of the node, for instance eu-west-1
    #[arg(long)]
    pub geo: Option<String>,
    /// Wait until the labels are seen
    #[command(flatten)]
    pub wait: WaitArgs,
    /// The node and the agent.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// Arguments of `disable`.
#[derive(Debug, Clone, Args)]
pub struct DisableArgs {
    /// Wait until the labels are gone
    #[command(flatten)]
    pub wait: WaitArgs,
    /// The node and the agent.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// The wait for labels.
#[derive(Debug, Clone, Copy, Args)]
pub struct WaitArgs {
    /// Wait until the labels have followed, at most this long; 5s without a value
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "5s", value_parser = time(Duration::ZERO..=WAIT_MAX), action = ArgAction::Set)]
    pub wait: Option<Duration>,
}

/// Arguments of `stats`.
#[derive(Debug, Clone, Args)]
pub struct StatsArgs {
    /// Number of requests to add that the cache served
    #[arg(long, value_name = "NUMBER")]
    pub add_hits: Option<u64>,
    /// Number of requests to add that went to the origin
    #[arg(long, value_name = "NUMBER")]
    pub add_misses: Option<u64>,
    /// The node and the agent.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// Arguments of `peers`.
#[derive(Debug, Clone, Args)]
pub struct PeersArgs {
    /// Only members of this status
    #[arg(long, value_parser = PossibleValuesParser::new(MemberStatus::VARIANTS).try_map(|name| name.parse::<MemberStatus>()))]
    pub status: Option<MemberStatus>,
    /// The agent.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// Arguments of `route`.
#[derive(Debug, Clone, Args)]
pub struct RouteArgs {
    /// Key to route, for instance a URL
    pub key: String,
    /// Number of nodes to list; 3 by default
    #[arg(long, value_name = "NUMBER", value_parser = count(1..=REPLICAS_MAX))]
    pub replicas: Option<usize>,
    /// Location of the client: nodes there come first, then those of its region
    #[arg(long)]
    pub geo: Option<String>,
    /// The agent.
    #[command(flatten)]
    pub agent: AgentArgs,
}

impl ClientCommand {
    /// Returns the arguments that name the agent.
    #[must_use]
    pub fn agent(&self) -> &AgentArgs {
        match self {
            Self::Status(agent)
            | Self::Events(agent)
            | Self::Leave(agent)
            | Self::Reload(agent) => agent,
            Self::Nodes(args) => &args.agent,
            Self::Node(args) | Self::Forget(args) => &args.agent,
            Self::Apply(args) => &args.agent,
            Self::SaveSnapshot(args) => &args.agent,
            Self::Enable(args) => &args.node.agent,
            Self::Disable(args) => &args.node.agent,
            Self::Stats(args) => &args.node.agent,
            Self::Peers(args) => &args.agent,
            Self::Route(args) => &args.agent,
            Self::Plugin(
                RunningPlugin::Show(agent)
                | RunningPlugin::Logs(agent)
                | RunningPlugin::Revert(agent),
            ) => agent,
            Self::Plugin(RunningPlugin::Swap(args)) => &args.agent,
            Self::Plugin(RunningPlugin::Reload(args)) => &args.agent,
            Self::Plugin(RunningPlugin::Rollout(args)) => &args.agent,
        }
    }
}

impl WaitArgs {
    /// Returns whether the command waits for labels.
    #[must_use]
    pub fn is_waiting(self) -> bool {
        self.wait.is_some_and(|time| !time.is_zero())
    }
}
