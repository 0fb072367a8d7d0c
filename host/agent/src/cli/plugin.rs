//! What the tools for components take: the settings of an agent that a component meets, and a file.
//!
//! They have the names of `run`'s, so that a file with settings and the environment count here too.

use std::path::PathBuf;

use clap::{ArgAction, Args, Subcommand};

use super::client::{OutputFormat, RunningPlugin};
use super::limits::LimitArgs;
use super::values::{parse_grant, parse_import, parse_pair, parse_sha256};
use crate::run::RunError;
use edge_cache_host::sandbox::{CodeCache, PluginConfig};

/// What there is to do about components.
#[derive(Debug, Clone, Subcommand)]
pub enum PluginCommand {
    /// Show what a file is, imports and exports, without running any of it: 0 where an agent would load it
    Inspect(Box<InspectArgs>),
    /// Run a component under an agent's limits and say whether it keeps the contract: 0 where it does
    Check(Box<CheckArgs>),
    /// Ask a running agent about its own.
    #[command(flatten)]
    Running(RunningPlugin),
}

/// What `plugin inspect` takes.
#[derive(Debug, Clone, Args)]
pub struct InspectArgs {
    /// The file
    pub file: PathBuf,
    /// How it is shown
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: OutputFormat,
    /// What the component would be given.
    #[command(flatten)]
    pub host: HostArgs,
}

/// What `plugin check` takes.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// The component's file
    pub file: PathBuf,
    /// Capacities that the component takes, as a JSON list, in place of the built-in ones
    #[arg(long, value_name = "FILE")]
    pub sample: Option<PathBuf>,
    /// Also check what only the reference component must do: its labels, bounds, weights and settings
    #[arg(long)]
    pub reference: bool,
    /// How it is shown
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: OutputFormat,
    /// What the component is given.
    #[command(flatten)]
    pub host: HostArgs,
}

/// The settings of an agent that a component meets; what is left out is as in `run`.
#[derive(Debug, Clone, Args)]
pub struct HostArgs {
    /// A TOML file with the settings of an agent
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What the component is given.
    #[command(flatten)]
    pub given: GivenArgs,
    /// The limits of the host.
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// What a component is given, in an agent and without one.
#[derive(Debug, Clone, Args)]
pub struct GivenArgs {
    /// The SHA-256 that the component must have, as hexadecimal digits; any other is refused
    #[arg(long, env = "EDGE_CACHE_PLUGIN_SHA256", value_name = "HEX", value_parser = parse_sha256)]
    pub plugin_sha256: Option<[u8; 32]>,
    // No setting of a component holds a line's end so far, while a comma may be part of a value.
    /// A setting of the component; may be given several times, in the environment one a line
    #[arg(long, visible_alias = "setting", env = "EDGE_CACHE_PLUGIN_SETTINGS", value_name = "KEY=VALUE", value_delimiter = '\n', value_parser = parse_pair, action = ArgAction::Append)]
    pub plugin_settings: Vec<(String, String)>,
    /// A label key that the component may set, with all that go on with `_`; may be given several times
    #[arg(long, env = "EDGE_CACHE_PLUGIN_LABELS", value_name = "KEY", value_delimiter = ',', default_value = "edge_cache", value_parser = parse_grant, action = ArgAction::Append)]
    pub plugin_labels: Vec<String>,
    /// An interface that the component may import, without version; may be given several times
    #[arg(long, env = "EDGE_CACHE_PLUGIN_IMPORTS", value_name = "NAME", value_delimiter = ',', default_values_t = super::import_names(), value_parser = parse_import, action = ArgAction::Append, hide_short_help = true, hide_default_value = true)]
    pub plugin_imports: Vec<String>,
}

impl HostArgs {
    /// In the sandbox's words.
    ///
    /// # Errors
    ///
    /// A limit contradicts another.
    pub(crate) fn config(&self) -> Result<PluginConfig, RunError> {
        self.limits.check().map_err(RunError::Usage)?;
        Ok(self.given.config(&self.limits, None))
    }
}

impl GivenArgs {
    /// In the sandbox's words.
    pub(crate) fn config(&self, limits: &LimitArgs, cache: Option<CodeCache>) -> PluginConfig {
        PluginConfig {
            limits: limits.limits(),
            imports: self.plugin_imports.iter().cloned().collect(),
            labels: self.plugin_labels.iter().cloned().collect(),
            settings: self.plugin_settings.iter().cloned().collect(),
            cache,
            sha256: self.plugin_sha256,
        }
    }
}
