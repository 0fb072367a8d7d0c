//! Arguments of the plugin commands.
//!
//! Settings have the same names as those of `run`, so that its settings file and environment variables apply.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand, ValueEnum};
use serde::de::DeserializeOwned;
use strum::Display;

use super::client::{OutputFormat, RunningPlugin};
use crate::exit::usage;
use crate::settings::values::parse_node_id;
use crate::settings::{LimitSettings, PluginSettings, PluginSource, RegistrySettings};
use edge_cache_core::NodeCapacity;
use edge_cache_core::labels::Labels;
use edge_cache_distribution::{Algorithm, Reference, parse_identity};
use edge_cache_host::sandbox::PluginConfig;

/// Longest name of a project, in bytes: that of a package on crates.io.
const PROJECT_NAME_BYTES_MAX: usize = 64;

/// Commands for plugins.
#[derive(Debug, Clone, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "a process parses one command")]
pub enum PluginCommand {
    /// Write a plugin from a registry to FILE, and its manifest and signatures to FILE.proof; prints its reference with the digest
    Pull(Box<PullArgs>),
    /// Write a plugin file to a registry; prints its reference with the digest
    Push(Box<PushArgs>),
    /// Show the imports and exports of a plugin without running it; status 0 if an agent would load it
    Inspect(Box<InspectArgs>),
    /// Run a plugin under an agent's limits and check that it keeps the contract; status 0 if it does
    Check(Box<CheckArgs>),
    /// Show what a plugin makes of one node: entry, labels, weight, log and costs; status 0 if it accepts the capacity
    Try(Box<TryArgs>),
    /// Write the project of a policy, or of a whole registry, into a new folder NAME
    New(NewArgs),
    /// Make a plugin of a policy and the reference plugin, and check it; status 0 if it keeps the contract and is written
    Compose(Box<ComposeArgs>),
    /// Make a key pair that signs plugins: FILE for the private key, FILE.pub for the public one
    Keygen(KeygenArgs),
    /// Sign a plugin file, which writes FILE.proof, or a plugin in its registry
    Sign(Box<SignArgs>),
    /// Check the signatures of a plugin against trust rules; status 0 if a rule lets it in
    Verify(Box<VerifyArgs>),
    /// A command for the plugin of a running agent.
    #[command(flatten)]
    Running(RunningPlugin),
}

/// Arguments of `plugin pull`.
#[derive(Debug, Clone, Args)]
pub struct PullArgs {
    /// The plugin: `oci://REGISTRY/REPOSITORY:TAG`, or `…@sha256:DIGEST`
    pub reference: Reference,
    /// File of the plugin, beside which FILE.proof is written; by default named like the repository
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// TOML file with the settings of an agent
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The limits of the host.
    #[command(flatten)]
    pub limits: LimitSettings,
    /// Access to registries.
    #[command(flatten)]
    pub registry: RegistrySettings,
}

/// Arguments of `plugin push`.
#[derive(Debug, Clone, Args)]
pub struct PushArgs {
    /// The plugin file; the signatures of FILE.proof are pushed too
    pub file: PathBuf,
    /// The place of the plugin: `oci://REGISTRY/REPOSITORY:TAG`
    pub reference: Reference,
    /// Limits and grants.
    #[command(flatten)]
    pub host: HostArgs,
    /// Access to registries.
    #[command(flatten)]
    pub registry: RegistrySettings,
}

/// Arguments of `plugin inspect`.
#[derive(Debug, Clone, Args)]
pub struct InspectArgs {
    /// The plugin: a file, or `oci://REGISTRY/REPOSITORY:TAG`
    #[arg(value_name = "FILE|REFERENCE")]
    pub source: PluginSource,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: OutputFormat,
    /// Limits and grants.
    #[command(flatten)]
    pub host: HostArgs,
    /// Access to registries.
    #[command(flatten)]
    pub registry: RegistrySettings,
}

/// Arguments of `plugin check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// The plugin: a file, or `oci://REGISTRY/REPOSITORY:TAG`
    #[arg(value_name = "FILE|REFERENCE")]
    pub source: PluginSource,
    /// JSON list of capacities that the plugin accepts, instead of samples of its own
    #[arg(long, value_name = "FILE")]
    pub sample: Option<PathBuf>,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: OutputFormat,
    /// Limits and grants.
    #[command(flatten)]
    pub host: HostArgs,
    /// Access to registries.
    #[command(flatten)]
    pub registry: RegistrySettings,
}

/// Arguments of `plugin try`.
#[derive(Debug, Clone, Args)]
pub struct TryArgs {
    /// The plugin: a file, or `oci://REGISTRY/REPOSITORY:TAG`
    #[arg(value_name = "FILE|REFERENCE")]
    pub source: PluginSource,
    /// Capacity of the node, as in the HTTP API: '{"cpu_cores": 8, "ram_mib": 16384, "disk_mib": 512000, "geo": "eu"}'
    #[arg(long, value_name = "JSON", value_parser = parse_json::<NodeCapacity>)]
    pub capacity: NodeCapacity,
    /// Labels to judge instead of those that the plugin gives the node: '{"KEY": "VALUE"}'
    #[arg(long, value_name = "JSON", value_parser = parse_json::<Labels>)]
    pub labels: Option<Labels>,
    /// Id of the node
    #[arg(long, value_name = "NODE", default_value = "1", value_parser = parse_node_id)]
    pub node_id: u64,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: OutputFormat,
    /// Limits and grants.
    #[command(flatten)]
    pub host: HostArgs,
    /// Access to registries.
    #[command(flatten)]
    pub registry: RegistrySettings,
}

/// Arguments of `plugin new`.
#[derive(Debug, Clone, Args)]
pub struct NewArgs {
    /// Name of the project and its folder: lowercase letters, digits and hyphens
    #[arg(value_parser = parse_project_name)]
    pub name: String,
    /// Language of the project
    #[arg(long, value_name = "LANGUAGE")]
    pub lang: Language,
    /// Write a whole registry instead of a policy
    #[arg(long)]
    pub registry: bool,
}

/// A language of projects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Display)]
pub enum Language {
    /// Rust.
    Rust,
    /// Python.
    Python,
    /// JavaScript.
    #[strum(to_string = "JavaScript")]
    Js,
}

/// Arguments of `plugin compose`.
#[derive(Debug, Clone, Args)]
pub struct ComposeArgs {
    /// File of the policy: a component that exports `zlayer:edge-cache-policy/policy`
    pub policy: PathBuf,
    /// File of the plugin; by default POLICY with the ending `.plugin.wasm`
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// JSON list of capacities that the plugin accepts, instead of samples of its own
    #[arg(long, value_name = "FILE")]
    pub sample: Option<PathBuf>,
    /// Limits and grants.
    #[command(flatten)]
    pub host: HostArgs,
}

/// Arguments of `plugin keygen`.
#[derive(Debug, Clone, Args)]
pub struct KeygenArgs {
    /// File of the private key, which must not exist; its name names the key in the trust file
    pub file: PathBuf,
    /// Algorithm of the key: `ecdsa-p256` or `ed25519`
    #[arg(long, value_name = "ALGORITHM", default_value = "ecdsa-p256")]
    pub algorithm: Algorithm,
}

/// Arguments of `plugin sign`.
#[derive(Debug, Clone, Args)]
pub struct SignArgs {
    /// The plugin: a file, or `oci://REGISTRY/REPOSITORY:TAG`
    #[arg(value_name = "FILE|REFERENCE")]
    pub source: PluginSource,
    /// File of the private key, PEM without a password
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Repository that the signature is for; required with a file, by default the one of the reference
    #[arg(long, value_name = "REGISTRY/REPOSITORY", value_parser = parse_identity)]
    pub identity: Option<String>,
    /// Limits and grants.
    #[command(flatten)]
    pub host: HostArgs,
    /// Access to registries.
    #[command(flatten)]
    pub registry: RegistrySettings,
}

/// Arguments of `plugin verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// The plugin: a file with its proof beside it, or `oci://REGISTRY/REPOSITORY:TAG`
    #[arg(value_name = "FILE|REFERENCE")]
    pub source: PluginSource,
    /// File with the trust rules
    #[arg(long, value_name = "FILE")]
    pub trust: PathBuf,
    /// TOML file with the settings of an agent
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: OutputFormat,
    /// The limits of the host.
    #[command(flatten)]
    pub limits: LimitSettings,
    /// Access to registries.
    #[command(flatten)]
    pub registry: RegistrySettings,
}

/// The settings of an agent that affect a plugin, with the same defaults as `run`.
#[derive(Debug, Clone, Args)]
pub struct HostArgs {
    /// TOML file with the settings of an agent
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Pin, settings and grants of the plugin.
    #[command(flatten)]
    pub plugin_config: PluginSettings,
    /// The limits of the host.
    #[command(flatten)]
    pub limits: LimitSettings,
}

impl HostArgs {
    /// Converts to the sandbox's configuration.
    ///
    /// # Errors
    ///
    /// Two limits contradict each other; the text names both.
    pub(crate) fn config(&self) -> Result<PluginConfig> {
        self.limits.check().map_err(|text| usage(anyhow!(text)))?;
        Ok(self.plugin_config.config(&self.limits, None))
    }
}

/// Parses a name that every language accepts for a package.
fn parse_project_name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase());
    match starts_well && text.len() <= PROJECT_NAME_BYTES_MAX && text.chars().all(is_plain) {
        true => Ok(text.to_string()),
        false => Err(format!(
            "a name begins with a lowercase letter, and has at most {PROJECT_NAME_BYTES_MAX} of these, digits and hyphens"
        )),
    }
}

fn parse_json<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}
