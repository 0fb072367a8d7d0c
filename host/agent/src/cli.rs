//! The command line, and with it every setting there is: see `settings` for where their values come from.

mod client;
mod limits;
mod values;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::{
    ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
};
use clap_complete::Shell;

pub use self::client::{
    AgentArgs, ClientCommand, DisableArgs, EnableArgs, NodeArgs, OutputFormat, PeersArgs,
    RouteArgs, RunningPlugin, StatsArgs, StatusArg, WaitArgs,
};
pub use self::limits::LimitArgs;
use self::values::{count, parse_address, parse_label, parse_log_level, parse_node_id, size, time};
pub(super) use self::values::{parse_sha256, parse_time};
use super::settings::{self, Layers, Lookup, SettingsError};
use edge_cache_core::text;
use edge_cache_host::sandbox::ImportGrants;

mod http;
mod plugin;

pub use http::{HttpArgs, TokenCommand};
pub use plugin::{CheckArgs, GivenArgs, HostArgs, InspectArgs, PluginCommand};

/// The longest text about a wrong command line, in bytes: it repeats what was given.
const WRONG_BYTES_MAX: usize = 512;
/// The longest text about wrong settings, in bytes: it names all that are wrong in a file.
const SETTINGS_BYTES_MAX: usize = 8 * 1024;
/// Rounds of eager push a second, at most: beyond, a round would begin before the last has ended.
const PUSH_ROUNDS_MAX: usize = 1_000;
/// Bytes of eager push a second, at most: what a fast network carries.
const PUSH_BYTES_MAX: usize = 1 << 30;
/// How long a stop may take at the very least and at most. Nothing can be said within less.
const SHUTDOWN_MIN: Duration = Duration::from_millis(100);
/// More than any supervisor waits.
const SHUTDOWN_MAX: Duration = Duration::from_secs(60 * 60);
/// Serf's own port.
const GOSSIP_PORT_HELP: &str = "for instance 127.0.0.1:7946; gossip is off without it";

/// A node agent that hosts an edge-cache registry.
#[derive(Debug, Parser)]
#[command(name = "edge-cache-agent", version, after_help = client::EXIT_CODES)]
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
    /// The settings of an agent
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print what completes this command line in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Components: before an agent runs them, and the one that runs
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Ask a running agent.
    #[command(flatten)]
    Client(ClientCommand),
}

/// What there is to do about settings without an agent.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Check everything that can be checked without starting an agent: takes what `run` takes
    Check(Box<RunArgs>),
    /// Print a settings file with every setting, its default and what it is for
    Example,
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

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line for people
    Text,
    /// A JSON object a line
    Json,
}

/// The settings of an agent.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// A TOML file with settings; flags and variables go over it. `config example` prints one
    #[arg(long, env = "EDGE_CACHE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The number of this node, the same for good
    #[arg(long, env = "EDGE_CACHE_NODE_ID", value_name = "NUMBER", value_parser = parse_node_id)]
    pub node_id: u64,
    /// The cluster; agents of different clusters do not meet
    #[arg(long, env = "EDGE_CACHE_CLUSTER_ID", default_value = "default-cluster")]
    pub cluster_id: String,
    /// Where gossip listens (UDP)
    #[arg(long, env = "EDGE_CACHE_GOSSIP_LISTEN", value_name = "ADDR", value_parser = parse_address, help = format!("Where gossip listens (UDP), {GOSSIP_PORT_HELP}"))]
    pub gossip_listen: Option<SocketAddr>,
    /// Where peers reach this agent, if not where it listens
    #[arg(long, env = "EDGE_CACHE_GOSSIP_ADVERTISE", value_name = "ADDR", value_parser = parse_address)]
    pub gossip_advertise: Option<SocketAddr>,
    /// An agent to ask first, as HOST:PORT; may be given several times
    #[arg(long = "seed", alias = "gossip-seed", env = "EDGE_CACHE_SEED", value_name = "HOST:PORT", value_delimiter = ',', action = ArgAction::Append)]
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
    /// Rounds a second in which others are told of a change at once; 0 leaves it to ordinary gossip
    #[arg(long, env = "EDGE_CACHE_GOSSIP_PUSH_ROUNDS_PER_SECOND", value_name = "COUNT", default_value = "10", value_parser = count(0..=PUSH_ROUNDS_MAX))]
    pub gossip_push_rounds_per_second: usize,
    /// Bytes of digests a second that these rounds may take
    #[arg(long, env = "EDGE_CACHE_GOSSIP_PUSH_DIGEST_BYTES_PER_SECOND", value_name = "SIZE", default_value = "1MiB", value_parser = size(0..=PUSH_BYTES_MAX))]
    pub gossip_push_digest_bytes_per_second: usize,
    /// Seal gossip with the keys in this file, one a line: the first seals, all open. Read again on SIGHUP
    #[arg(long, env = "EDGE_CACHE_GOSSIP_KEY_FILE", value_name = "FILE")]
    pub gossip_key_file: Option<PathBuf>,
    /// Tell peers on SIGTERM and SIGINT that this agent leaves, instead of letting them find out
    #[arg(long, env = "EDGE_CACHE_LEAVE_ON_TERMINATE", value_name = "BOOL", default_value = "true", value_parser = BoolishValueParser::new(), action = ArgAction::Set)]
    pub leave_on_terminate: bool,
    /// How long a stop may take in all; what has not ended by then is cut off
    #[arg(long, env = "EDGE_CACHE_SHUTDOWN_TIMEOUT", value_name = "TIME", default_value = "15s", value_parser = time(SHUTDOWN_MIN..=SHUTDOWN_MAX))]
    pub shutdown_timeout: Duration,
    /// Let gossip listen beyond loopback without keys, over a network that is encrypted below
    #[arg(long, alias = "gossip-insecure", env = "EDGE_CACHE_INSECURE_GOSSIP", value_name = "BOOL", num_args = 0..=1, default_value = "false", default_missing_value = "true", value_parser = BoolishValueParser::new(), action = ArgAction::Set)]
    pub insecure_gossip: bool,
    /// Where the HTTP API listens (TCP)
    #[arg(
        long,
        env = "EDGE_CACHE_HTTP_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:7947",
        value_parser = parse_address
    )]
    pub http_listen: SocketAddr,
    /// Who may use the HTTP API, and how.
    #[command(flatten)]
    pub http: HttpArgs,
    /// Where the state is kept; without it, it is lost with the process
    #[arg(long, env = "EDGE_CACHE_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The component to run instead of the one built in
    #[arg(
        long,
        alias = "plugin-file",
        env = "EDGE_CACHE_PLUGIN",
        value_name = "FILE"
    )]
    pub plugin: Option<PathBuf>,
    /// What the component is given.
    #[command(flatten)]
    pub given: GivenArgs,
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
        default_value = "0.0.0.0:0",
        value_parser = parse_address
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
    /// How the log is written
    #[arg(
        long,
        env = "EDGE_CACHE_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,
    /// Which lines the log has, for instance info, or warn,edge_cache_host::gossip=debug
    #[arg(long, env = "EDGE_CACHE_LOG_LEVEL", value_name = "FILTER", default_value = "info", value_parser = parse_log_level)]
    pub log_level: String,
    /// The limits of the host.
    #[command(flatten)]
    pub limits: LimitArgs,
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
    /// Something is wrong with it.
    Wrong {
        /// One line that says what.
        text: String,
        /// The command line that prints what would be right.
        help: String,
    },
}

/// Reads the command line, the program's name first, and what `lookup` finds in the environment.
pub fn parse(args: impl IntoIterator<Item = OsString>, lookup: Lookup<'_>) -> Parsed {
    let args = with_default_command(args);
    match read(&args, lookup) {
        Ok(cli) => Parsed::Cli(Box::new(cli)),
        Err(Unread::Settings(error)) => wrong(
            &args,
            text::clean(&text::error_chain(&error), SETTINGS_BYTES_MAX),
        ),
        Err(Unread::Flags(error)) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Parsed::Text(help(&args, &error)),
            _ => wrong(&args, one_line(&error.render().to_string())),
        },
    }
}

/// The settings file with every setting and its default.
#[must_use]
pub fn example() -> String {
    let whole = Cli::command();
    whole
        .find_subcommand("run")
        .map(settings::example)
        .unwrap_or_default()
}

/// What completes the command line in a shell.
#[must_use]
pub fn completions(shell: Shell) -> String {
    let mut command = Cli::command();
    let name = command.get_name().to_string();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

enum Unread {
    Flags(clap::Error),
    Settings(SettingsError),
}

impl From<clap::Error> for Unread {
    fn from(error: clap::Error) -> Self {
        Self::Flags(error)
    }
}

/// First by the flags alone, which say where the file is and may be wrong whatever is in it; then with what
/// else is set as defaults.
fn read(args: &[OsString], lookup: Lookup<'_>) -> Result<Cli, Unread> {
    let said = with_settings(Cli::command(), &settings::alone).try_get_matches_from(args)?;
    let whole = Cli::command();
    let (command, matches) = leaf(&whole, &said);
    if !takes_settings(command) {
        return Ok(Cli::from_arg_matches(&said)?);
    }
    // Only what concerns an agent's settings has a file of them: all of its keys are known everywhere.
    let file = match matches.try_get_one::<PathBuf>(settings::FILE_FLAG) {
        Ok(Some(file)) => Some(file.clone()),
        Ok(None) => settings::file_variable(lookup).map(PathBuf::from),
        Err(_) => None,
    };
    let described = match whole.find_subcommand("run") {
        Some(run) if has_file(command) => run,
        _ => command,
    };
    let layers = Layers::read(described, file.as_deref(), lookup).map_err(Unread::Settings)?;
    let matches = with_settings(Cli::command(), &|command| layers.apply(command))
        .try_get_matches_from(args)?;
    Ok(Cli::from_arg_matches(&matches)?)
}

/// The command line, with a change to every command that takes settings.
fn with_settings(
    command: clap::Command,
    change: &dyn Fn(clap::Command) -> clap::Command,
) -> clap::Command {
    let command = if takes_settings(&command) {
        change(command)
    } else {
        command
    };
    command.mut_subcommands(|below| with_settings(below, change))
}

/// Whether the environment has a say in what it does.
fn takes_settings(command: &clap::Command) -> bool {
    has_file(command) || command.get_arguments().any(|arg| arg.get_env().is_some())
}

/// Whether a file of settings counts for it.
fn has_file(command: &clap::Command) -> bool {
    let mut args = command.get_arguments();
    args.any(|arg| arg.get_id() == settings::FILE_FLAG)
}

/// The command that was given, which may be one of a group, and what it was given.
fn leaf<'a>(
    command: &'a clap::Command,
    matches: &'a ArgMatches,
) -> (&'a clap::Command, &'a ArgMatches) {
    let below = matches
        .subcommand()
        .and_then(|(name, matches)| Some((command.find_subcommand(name)?, matches)));
    match below {
        Some((command, matches)) => leaf(command, matches),
        None => (command, matches),
    }
}

/// The help with the names of the variables, which are taken out to read the flags alone.
fn help(args: &[OsString], error: &clap::Error) -> String {
    match Cli::command().try_get_matches_from(args) {
        Err(full) if full.kind() == error.kind() => full.render().to_string(),
        _ => error.render().to_string(),
    }
}

/// With the help of the command that was meant, as far as it is one.
fn wrong(args: &[OsString], text: String) -> Parsed {
    let whole = Cli::command();
    let (mut command, mut help) = (&whole, whole.get_name().to_string());
    for word in args.iter().skip(1) {
        let Some(below) = command.find_subcommand(word) else {
            break;
        };
        help.push(' ');
        help.push_str(below.get_name());
        command = below;
    }
    help.push_str(" --help");
    Parsed::Wrong { text, help }
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

fn import_names() -> Vec<String> {
    ImportGrants::default()
        .names()
        .map(str::to_string)
        .collect()
}

#[cfg(test)]
mod tests;
