//! The settings of the plugin's sandbox: pin, settings and grants.

use clap::{ArgAction, Args};

use super::limits::LimitSettings;
use super::values::{parse_grant, parse_import, parse_pair, parse_sha256};
use crate::control_group;
use edge_cache_host::sandbox::{CodeCache, ImportGrants, PluginConfig};

/// Pin, settings and grants of the plugin, for an agent and for the plugin tools.
#[derive(Debug, Clone, Args)]
pub struct PluginSettings {
    /// Required SHA-256 of the plugin file, in hexadecimal; any other plugin is refused. An agent applies it at a reload too
    #[arg(long, env = "EDGE_CACHE_PLUGIN_SHA256", value_name = "HEX", value_parser = parse_sha256)]
    pub plugin_sha256: Option<[u8; 32]>,
    // The delimiter is a line feed: a value may contain commas.
    /// A setting of the plugin; repeatable, one a line in the environment. An agent applies it at a reload too
    #[arg(long, visible_alias = "setting", env = "EDGE_CACHE_PLUGIN_SETTINGS", value_name = "KEY=VALUE", value_delimiter = '\n', value_parser = parse_pair, action = ArgAction::Append)]
    pub plugin_settings: Vec<(String, String)>,
    /// A label key that the plugin may set, with all keys that extend it by `_`; repeatable
    #[arg(long, env = "EDGE_CACHE_PLUGIN_LABELS", value_name = "KEY", value_delimiter = ',', default_value = "edge_cache", value_parser = parse_grant, action = ArgAction::Append)]
    pub plugin_labels: Vec<String>,
    /// An interface that the plugin may import, without version; repeatable
    #[arg(long, env = "EDGE_CACHE_PLUGIN_IMPORTS", value_name = "NAME", value_delimiter = ',', default_values_t = import_names(), value_parser = parse_import, action = ArgAction::Append, hide_short_help = true, hide_default_value = true)]
    pub plugin_imports: Vec<String>,
}

impl PluginSettings {
    /// Converts to the sandbox's configuration.
    pub(crate) fn config(&self, limits: &LimitSettings, cache: Option<CodeCache>) -> PluginConfig {
        let mut limits = limits.limits();
        // The agent needs the other half.
        let half = control_group::memory_max().map_or(usize::MAX, |bytes| bytes.div_euclid(2));
        limits.compile_memory = limits.compile_memory.min(half);
        PluginConfig {
            limits,
            imports: self.plugin_imports.iter().cloned().collect(),
            labels: self.plugin_labels.iter().cloned().collect(),
            settings: self.plugin_settings.iter().cloned().collect(),
            cache,
            sha256: self.plugin_sha256,
        }
    }
}

fn import_names() -> Vec<String> {
    ImportGrants::default()
        .names()
        .map(str::to_string)
        .collect()
}
