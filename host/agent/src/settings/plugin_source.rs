//! The settings of the plugin's source: where it comes from, and which plugins may run.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::registry::{PluginSource, RegistrySettings};
use super::values::size;
use edge_cache_distribution::PullPolicy;

/// The values of `plugin.pull`.
const PULLS: [&str; 3] = ["if-not-present", "always", "never"];
/// The default of `plugin.cache_bytes`.
const CACHE_BYTES: &str = "256MiB";
/// The bounds of `plugin.cache_bytes`: a plugin of the usual size, and more than any disk for state has.
const CACHE_BYTES_MIN: usize = 1 << 20;
const CACHE_BYTES_MAX: usize = 1 << 40;

/// The source of the plugin, and which plugins may run.
#[derive(Debug, Clone, Args)]
pub struct PluginSourceSettings {
    /// Plugin to run instead of the reference plugin: a file, or `oci://REGISTRY/REPOSITORY:TAG` or `…@sha256:DIGEST`. Applies at a reload too
    #[arg(
        long,
        alias = "plugin-source",
        env = "EDGE_CACHE_PLUGIN_SOURCE",
        value_name = "SOURCE"
    )]
    pub plugin: Option<PluginSource>,
    /// Starts at which a plugin is pulled from its registry: the first one, every one, or none
    #[arg(
        long,
        env = "EDGE_CACHE_PLUGIN_PULL",
        value_name = "WHEN",
        default_value = "if-not-present",
        value_parser = PossibleValuesParser::new(PULLS).try_map(|name| name.parse::<PullPolicy>())
    )]
    pub plugin_pull: PullPolicy,
    /// Disk for pulled plugins in the data directory; those unused for longest are removed first
    #[arg(long, env = "EDGE_CACHE_PLUGIN_CACHE_BYTES", value_name = "SIZE", default_value = CACHE_BYTES, value_parser = size(CACHE_BYTES_MIN..=CACHE_BYTES_MAX))]
    pub plugin_cache_bytes: usize,
    /// File with the keys and rules that decide which plugins may run; without it, any may. Read again at a reload
    #[arg(long, env = "EDGE_CACHE_PLUGIN_TRUST", value_name = "FILE")]
    pub plugin_trust: Option<PathBuf>,
    /// Access to registries.
    #[command(flatten)]
    pub registry: RegistrySettings,
}
