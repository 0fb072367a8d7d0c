//! All settings of an agent.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, ValueEnum};

use super::effective::EffectiveSetting;
use super::limits::LimitSettings;
use super::plugin::PluginSettings;
use super::plugin_source::PluginSourceSettings;
use super::traffic::TrafficSettings;
use super::values::{count, parse_address, parse_log_level, parse_node_id, parse_pair, size, time};
use edge_cache_client::Address;
use edge_cache_host::gossip::{GRACE_PERIODS, INTERVALS, JOIN_TIMEOUTS};

/// The most rounds of eager push a second: more would overlap.
const PUSH_ROUNDS_MAX: usize = 1_000;
/// The largest least number of peers: more members fit no gossip cluster.
const PEERS_MIN_MAX: usize = 4_096;
/// The most bytes of eager push a second: the capacity of a fast network.
const PUSH_BYTES_MAX: usize = 1 << 30;
/// The most connections: as many as the kernel lets a process open by default.
const CONNECTIONS_MAX: usize = 1 << 20;
/// The shortest shutdown timeout: peers cannot be notified in less time.
const SHUTDOWN_MIN: Duration = Duration::from_millis(100);
/// The longest shutdown timeout: longer than service managers wait.
const SHUTDOWN_MAX: Duration = Duration::from_secs(60 * 60);
/// The example port is Serf's.
const GOSSIP_PORT_HELP: &str = "for example 127.0.0.1:7946; without it gossip is off";

/// The format of gossip digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GossipProtocol {
    /// Uncompressed; readable for `ZLayer` nodes
    V0,
    /// Compressed, for large clusters that consist of agents only
    V1,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Human-readable lines
    Text,
    /// JSON objects, one per line
    Json,
}

/// The settings of an agent.
#[derive(Debug, Clone, Args)]
pub struct AgentSettings {
    /// TOML file with settings; flags and environment variables take precedence. `config example` prints one
    #[arg(long, env = "EDGE_CACHE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Id of this node, required: a number, or name:TEXT for the hash of a unique name; must never change
    #[arg(long, env = "EDGE_CACHE_NODE_ID", value_name = "NUMBER", value_parser = parse_node_id)]
    pub node_id: u64,
    /// Name of the cluster; agents of different clusters ignore each other
    #[arg(long, env = "EDGE_CACHE_CLUSTER_ID", default_value = "default-cluster")]
    pub cluster_id: String,
    /// Listen address of gossip (UDP)
    #[arg(long, env = "EDGE_CACHE_GOSSIP_LISTEN", value_name = "ADDR", value_parser = parse_address, help = format!("Listen address of gossip (UDP), {GOSSIP_PORT_HELP}"))]
    pub gossip_listen: Option<SocketAddr>,
    /// Address at which peers reach this agent, if it differs from the listen address
    #[arg(long, env = "EDGE_CACHE_GOSSIP_ADVERTISE", value_name = "ADDR", value_parser = parse_address)]
    pub gossip_advertise: Option<SocketAddr>,
    /// An agent to contact first, as HOST:PORT; repeatable
    #[arg(long = "seed", alias = "gossip-seed", env = "EDGE_CACHE_GOSSIP_SEED", value_name = "HOST:PORT", value_delimiter = ',', action = ArgAction::Append)]
    pub seeds: Vec<String>,
    /// Time between two gossip rounds, for example 1s or 200ms
    #[arg(long, env = "EDGE_CACHE_GOSSIP_INTERVAL", value_name = "TIME", default_value = "1s", value_parser = time(INTERVALS))]
    pub gossip_interval: Duration,
    /// Format of gossip digests; should be the same on all agents of a cluster
    #[arg(
        long,
        env = "EDGE_CACHE_GOSSIP_PROTOCOL",
        value_name = "VERSION",
        default_value = "v0"
    )]
    pub gossip_protocol: GossipProtocol,
    /// Time for which gossip carries a silent agent; for the first half it is part of every digest
    #[arg(long, env = "EDGE_CACHE_GOSSIP_DEAD_GRACE", value_name = "TIME", default_value = "4m", value_parser = time(GRACE_PERIODS))]
    pub gossip_dead_grace: Duration,
    /// Time for which a starting agent waits to hear from a peer; after it the agent is ready, and says that it is alone
    #[arg(long, env = "EDGE_CACHE_GOSSIP_JOIN_TIMEOUT", value_name = "TIME", default_value = "10s", value_parser = time(JOIN_TIMEOUTS))]
    pub gossip_join_timeout: Duration,
    /// Number of live peers below which the agent is not ready
    #[arg(long, env = "EDGE_CACHE_GOSSIP_PEERS_MIN", value_name = "COUNT", default_value = "0", value_parser = count(0..=PEERS_MIN_MAX))]
    pub gossip_peers_min: usize,
    /// Eager push of changes, in rounds a second; 0 disables it
    #[arg(long, env = "EDGE_CACHE_GOSSIP_PUSH_ROUNDS_PER_SECOND", value_name = "COUNT", default_value = "10", value_parser = count(0..=PUSH_ROUNDS_MAX))]
    pub gossip_push_rounds_per_second: usize,
    /// Eager push of changes, in bytes of digests a second
    #[arg(long, env = "EDGE_CACHE_GOSSIP_PUSH_DIGEST_BYTES_PER_SECOND", value_name = "SIZE", default_value = "1MiB", value_parser = size(0..=PUSH_BYTES_MAX))]
    pub gossip_push_digest_bytes_per_second: usize,
    /// Encrypt gossip with the keys of this file, one a line: the first encrypts, all decrypt. Read again at a reload
    #[arg(long, env = "EDGE_CACHE_GOSSIP_KEY_FILE", value_name = "FILE")]
    pub gossip_key_file: Option<PathBuf>,
    /// Announce the departure to peers on SIGTERM and SIGINT
    #[arg(long, env = "EDGE_CACHE_LEAVE_ON_TERMINATE", value_name = "BOOL", default_value = "true", value_parser = BoolishValueParser::new(), action = ArgAction::Set)]
    pub leave_on_terminate: bool,
    /// Time limit of a shutdown; unfinished work is aborted
    #[arg(long, env = "EDGE_CACHE_SHUTDOWN_TIMEOUT", value_name = "TIME", default_value = "15s", value_parser = time(SHUTDOWN_MIN..=SHUTDOWN_MAX))]
    pub shutdown_timeout: Duration,
    /// Allow gossip beyond loopback without keys, for networks that are already encrypted
    #[arg(long, alias = "gossip-insecure", env = "EDGE_CACHE_GOSSIP_INSECURE", value_name = "BOOL", num_args = 0..=1, default_value = "false", default_missing_value = "true", value_parser = BoolishValueParser::new(), action = ArgAction::Set)]
    pub insecure_gossip: bool,
    /// Listen address of the HTTP API (TCP)
    #[arg(
        long,
        env = "EDGE_CACHE_HTTP_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:7947",
        value_parser = parse_address
    )]
    pub http_listen: SocketAddr,
    /// Access to the HTTP API.
    #[command(flatten)]
    pub http: HttpSettings,
    /// Directory of the agent's state; without it the state is lost when the process ends
    #[arg(long, env = "EDGE_CACHE_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The source of the plugin, and which plugins may run.
    #[command(flatten)]
    pub plugin_source: PluginSourceSettings,
    /// Pin, settings and grants of the plugin.
    #[command(flatten)]
    pub plugin_config: PluginSettings,
    // The delimiter is a line feed: a value may contain commas.
    /// A label of other software on this node; repeatable, one a line in the environment
    #[arg(long = "label", env = "EDGE_CACHE_LABEL", value_name = "KEY=VALUE", value_delimiter = '\n', value_parser = parse_pair, action = ArgAction::Append)]
    pub labels: Vec<(String, String)>,
    /// `WireGuard` public key of the node, published to peers
    #[arg(
        long,
        env = "EDGE_CACHE_WG_PUBKEY",
        value_name = "KEY",
        default_value = ""
    )]
    pub wg_pubkey: String,
    /// `WireGuard` endpoint of the node, published to peers
    #[arg(
        long,
        env = "EDGE_CACHE_WG_ENDPOINT",
        value_name = "ADDR",
        default_value = "0.0.0.0:0",
        value_parser = parse_address
    )]
    pub wg_endpoint: SocketAddr,
    /// Overlay address of the node, published to peers
    #[arg(
        long,
        env = "EDGE_CACHE_OVERLAY_IP",
        value_name = "IP",
        default_value = ""
    )]
    pub overlay_ip: String,
    /// Format of the log
    #[arg(
        long,
        env = "EDGE_CACHE_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,
    /// Filter of the log, for example info, or warn,edge_cache_gossip=debug. Applies at a reload
    #[arg(long, env = "EDGE_CACHE_LOG_LEVEL", value_name = "FILTER", default_value = "info", value_parser = parse_log_level)]
    pub log_level: String,
    /// File for the audit lines, beside the log: who changed what, as JSON, one object per line. Opened again at a reload
    #[arg(long, env = "EDGE_CACHE_LOG_AUDIT_FILE", value_name = "FILE")]
    pub log_audit_file: Option<PathBuf>,
    /// The node's cache, and the listener for proxies.
    #[command(flatten)]
    pub traffic: TrafficSettings,
    /// The limits of the host.
    #[command(flatten)]
    pub limits: LimitSettings,
    /// Exit when standard input closes, so that the agent never outlives its parent process
    #[arg(long, hide = true)]
    pub end_with_stdin: bool,
    /// Warnings about variables that look like settings and are none.
    #[arg(skip)]
    pub unknown_variables: Vec<String>,
    /// The settings in effect with their sources, without secrets.
    #[arg(skip)]
    pub effective: Vec<EffectiveSetting>,
}

/// Authentication, transport and limits of the HTTP API.
#[derive(Debug, Clone, Args)]
pub struct HttpSettings {
    /// Require a token from this file for every request except health checks. Read again at a reload
    #[arg(long, env = "EDGE_CACHE_API_TOKEN_FILE", value_name = "FILE")]
    pub api_token_file: Option<PathBuf>,
    /// Without a token file, allow every local process to replace the plugin and to stop the agent
    #[arg(long, env = "EDGE_CACHE_ALLOW_LOCAL_ADMIN", value_parser = BoolishValueParser::new())]
    pub allow_local_admin: bool,
    /// Certificate chain for TLS, PEM, leaf certificate first. Read again at a reload
    #[arg(long, env = "EDGE_CACHE_HTTP_TLS_CERT_FILE", value_name = "FILE")]
    pub http_tls_cert_file: Option<PathBuf>,
    /// Private key of the certificate, PEM. Read again at a reload
    #[arg(long, env = "EDGE_CACHE_HTTP_TLS_KEY_FILE", value_name = "FILE")]
    pub http_tls_key_file: Option<PathBuf>,
    /// Allow tokens over plain HTTP beyond loopback, for networks that are already encrypted
    #[arg(long, alias = "http-insecure", env = "EDGE_CACHE_HTTP_INSECURE", value_parser = BoolishValueParser::new())]
    pub insecure_http: bool,
    /// Maximum number of concurrent connections, beside those for event streams and waits (64 each)
    #[arg(long, env = "EDGE_CACHE_HTTP_CONNECTIONS", value_name = "NUMBER", default_value = "256", value_parser = count(1..=CONNECTIONS_MAX))]
    pub http_connections: usize,
    /// Address at which other hosts reach the HTTP API, published to peers: https://HOST:PORT. `plugin rollout` uses it
    #[arg(long, env = "EDGE_CACHE_HTTP_ADVERTISE", value_name = "ADDR")]
    pub http_advertise: Option<Address>,
    /// Additional address (TCP) for health and metrics only, without TLS and tokens, with its own connection limit
    #[arg(long, env = "EDGE_CACHE_HEALTH_LISTEN", value_name = "ADDR")]
    pub health_listen: Option<SocketAddr>,
}

impl AgentSettings {
    /// Returns the labels of other software; the last value of a repeated key applies.
    #[must_use]
    pub fn label_map(&self) -> BTreeMap<String, String> {
        self.labels.iter().cloned().collect()
    }
}
