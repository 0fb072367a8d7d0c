//! Arguments of the plugin commands.
//!
//! Settings have the same names as those of `run`, so that its settings file and environment variables apply.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};

use super::client::{OutputFormat, RunningPlugin};
use crate::exit::usage;
use crate::settings::{LimitSettings, PluginSettings};
use edge_cache_host::sandbox::PluginConfig;

/// Commands for plugins.
#[derive(Debug, Clone, Subcommand)]
pub enum PluginCommand {
    /// Show the imports and exports of a plugin file without running it; status 0 if an agent would load it
    Inspect(Box<InspectArgs>),
    /// Run a plugin under an agent's limits and check that it keeps the contract; status 0 if it does
    Check(Box<CheckArgs>),
    /// A command for the plugin of a running agent.
    #[command(flatten)]
    Running(RunningPlugin),
}

/// Arguments of `plugin inspect`.
#[derive(Debug, Clone, Args)]
pub struct InspectArgs {
    /// The plugin file
    pub file: PathBuf,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: OutputFormat,
    /// Limits and grants.
    #[command(flatten)]
    pub host: HostArgs,
}

/// Arguments of `plugin check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// The plugin file
    pub file: PathBuf,
    /// JSON list of capacities that the plugin accepts, instead of samples of its own
    #[arg(long, value_name = "FILE")]
    pub sample: Option<PathBuf>,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: OutputFormat,
    /// Limits and grants.
    #[command(flatten)]
    pub host: HostArgs,
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
