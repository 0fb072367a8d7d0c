//! The command line.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::text;

mod http;

pub use http::{HttpArgs, TokenCommand};

/// The longest text about a wrong command line, in bytes: it repeats what was given.
const WRONG_BYTES_MAX: usize = 512;
/// Serf's own port.
const GOSSIP_PORT_HELP: &str = "for instance 127.0.0.1:7946; gossip is off without it";

/// A node agent that hosts an edge-cache registry.
#[derive(Debug, Parser)]
#[command(name = "edge-cache-agent", version)]
pub struct Cli {
    /// What to do; `run` where nothing is given.
    #[command(subcommand)]
    pub command: Command,
}

/// What the binary can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an agent (the default)
    Run(Box<RunArgs>),
    /// Run three agents and watch labels travel between them
    Demo,
    /// What sealed gossip needs
    #[command(subcommand)]
    Gossip(GossipCommand),
    /// What lets somebody use the HTTP API
    #[command(subcommand)]
    Token(TokenCommand),
}

/// What there is to do about gossip without an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum GossipCommand {
    /// Print a new key, as a line for a key file
    Keygen,
}

/// The format of digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProtocolArg {
    /// Plain, which `ZLayer` nodes read too
    V0,
    /// Compressed, for larger clusters of agents only
    V1,
}

/// The settings of an agent.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The number of this node, the same for good
    #[arg(long, env = "EDGE_CACHE_NODE_ID", value_name = "NUMBER", value_parser = parse_node_id)]
    pub node_id: u64,
    /// The cluster; agents of different clusters do not meet
    #[arg(long, env = "EDGE_CACHE_CLUSTER_ID", default_value = "default-cluster")]
    pub cluster_id: String,
    /// Where gossip listens (UDP)
    #[arg(long, env = "EDGE_CACHE_GOSSIP_LISTEN", value_name = "ADDR", help = format!("Where gossip listens (UDP), {GOSSIP_PORT_HELP}"))]
    pub gossip_listen: Option<SocketAddr>,
    /// Where peers reach this agent, if not where it listens
    #[arg(long, env = "EDGE_CACHE_GOSSIP_ADVERTISE", value_name = "ADDR")]
    pub gossip_advertise: Option<SocketAddr>,
    /// An agent to ask first, as HOST:PORT; may be given several times
    #[arg(long = "seed", env = "EDGE_CACHE_SEED", value_name = "HOST:PORT", value_delimiter = ',', action = ArgAction::Append)]
    pub seeds: Vec<String>,
    /// The time between two rounds of gossip, for instance 1s or 200ms
    #[arg(long, env = "EDGE_CACHE_GOSSIP_INTERVAL", value_name = "TIME", default_value = "1s", value_parser = parse_time)]
    pub gossip_interval: Duration,
    /// The format of digests; all agents of a cluster should use the same
    #[arg(
        long,
        env = "EDGE_CACHE_GOSSIP_PROTOCOL",
        value_name = "VERSION",
        default_value = "v0"
    )]
    pub gossip_protocol: ProtocolArg,
    /// How long an agent that is gone is remembered, for half of which it takes room in every message
    #[arg(long, env = "EDGE_CACHE_GOSSIP_DEAD_GRACE", value_name = "TIME", default_value = "4m", value_parser = parse_time)]
    pub gossip_dead_grace: Duration,
    /// Seal gossip with the keys in this file, one a line: the first seals, all open. Read again on SIGHUP
    #[arg(long, env = "EDGE_CACHE_GOSSIP_KEY_FILE", value_name = "FILE")]
    pub gossip_key_file: Option<PathBuf>,
    /// Tell peers on SIGTERM and SIGINT that this agent leaves, instead of letting them find out
    #[arg(long, env = "EDGE_CACHE_LEAVE_ON_TERMINATE", value_name = "BOOL", default_value = "true", value_parser = BoolishValueParser::new(), action = ArgAction::Set)]
    pub leave_on_terminate: bool,
    /// Let gossip listen beyond loopback without keys, over a network that is encrypted below
    #[arg(long, env = "EDGE_CACHE_INSECURE_GOSSIP", value_parser = BoolishValueParser::new())]
    pub insecure_gossip: bool,
    /// Where the HTTP API listens (TCP)
    #[arg(
        long,
        env = "EDGE_CACHE_HTTP_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:7947"
    )]
    pub http_listen: SocketAddr,
    /// Who may use the HTTP API, and how.
    #[command(flatten)]
    pub http: HttpArgs,
    /// Where the state is kept; without it, it is lost with the process
    #[arg(long, env = "EDGE_CACHE_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The component to run instead of the one built in
    #[arg(long, env = "EDGE_CACHE_PLUGIN", value_name = "FILE")]
    pub plugin: Option<PathBuf>,
    // No label holds a line's end, while a comma may be part of a value.
    /// A label of other software on this node; may be given several times, in the environment one a line
    #[arg(long = "label", env = "EDGE_CACHE_LABEL", value_name = "KEY=VALUE", value_delimiter = '\n', value_parser = parse_label, action = ArgAction::Append)]
    pub labels: Vec<(String, String)>,
    /// The node's `WireGuard` public key, shown to peers
    #[arg(
        long,
        env = "EDGE_CACHE_WG_PUBKEY",
        value_name = "KEY",
        default_value = ""
    )]
    pub wg_pubkey: String,
    /// The node's `WireGuard` endpoint, shown to peers
    #[arg(
        long,
        env = "EDGE_CACHE_WG_ENDPOINT",
        value_name = "ADDR",
        default_value = "0.0.0.0:0"
    )]
    pub wg_endpoint: SocketAddr,
    /// The node's address in the overlay, shown to peers
    #[arg(
        long,
        env = "EDGE_CACHE_OVERLAY_IP",
        value_name = "IP",
        default_value = ""
    )]
    pub overlay_ip: String,
    /// End at once when standard input ends, for an agent that must not outlive whoever started it
    #[arg(long, hide = true)]
    pub end_with_stdin: bool,
}

impl RunArgs {
    /// The labels of other software; of a key given twice, the last.
    pub fn label_map(&self) -> BTreeMap<String, String> {
        self.labels.iter().cloned().collect()
    }
}

/// What came of reading the command line.
#[derive(Debug)]
pub enum Parsed {
    /// Something to do.
    Cli(Box<Cli>),
    /// Help or the version, to be printed on standard output.
    Text(String),
    /// One line that says what is wrong with it.
    Wrong(String),
}

/// Reads the command line, the program's name first.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Parsed {
    match Cli::try_parse_from(with_default_command(args)) {
        Ok(cli) => Parsed::Cli(Box::new(cli)),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                Parsed::Text(error.render().to_string())
            }
            _ => Parsed::Wrong(one_line(&error.render().to_string())),
        },
    }
}

/// `run` where the first word is a flag of it, or nothing is given.
fn with_default_command(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    let own = ["-h", "--help", "-V", "--version"];
    let is_run = args.get(1).is_none_or(|first| {
        let first = first.to_string_lossy();
        first.starts_with('-') && !own.contains(&first.as_ref())
    });
    if is_run {
        args.insert(args.len().min(1), "run".into());
    }
    args
}

/// Clap's error without its usage and colours.
fn one_line(error: &str) -> String {
    let said: Vec<&str> = error
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty())
        .collect();
    let said = said.join(" ");
    text::clean(
        said.strip_prefix("error: ").unwrap_or(&said),
        WRONG_BYTES_MAX,
    )
}

fn parse_node_id(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("a node id is a number from 0 to {}", u64::MAX))
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .ok_or_else(|| "a label is KEY=VALUE".to_string())
}

/// A number with the unit ms, s or m.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    let wrong = || "a time is a whole number with a unit: 200ms, 1s or 2m".to_string();
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests;
