//! The plugin that the settings declare: its source, its pin and its settings.

use std::collections::BTreeMap;

use crate::settings::{AgentSettings, PluginSource};
use edge_cache_host::sandbox::PluginConfig;

/// The keys of the settings that a declaration has.
pub(crate) const DECLARATION_KEYS: [&str; 3] =
    ["plugin.source", "plugin.sha256", "plugin.settings"];

/// The plugin that the settings declare. A reload may declare another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declaration {
    /// The source; none for the plugin inside the binary.
    pub(super) source: Option<PluginSource>,
    /// The digest that the file must have.
    sha256: Option<[u8; 32]>,
    settings: BTreeMap<String, String>,
}

impl Declaration {
    /// Returns what the settings of an agent declare.
    pub(crate) fn of(settings: &AgentSettings) -> Self {
        let plugin = &settings.plugin_config;
        Self {
            source: settings.plugin_source.plugin.clone(),
            sha256: plugin.plugin_sha256,
            settings: plugin.plugin_settings.iter().cloned().collect(),
        }
    }

    /// Declares a source, with the pin and the settings of a configuration.
    pub(super) fn of_config(source: Option<PluginSource>, config: &PluginConfig) -> Self {
        Self {
            source,
            sha256: config.sha256,
            settings: config.settings.clone(),
        }
    }

    /// Returns a configuration with this pin and these settings.
    pub(super) fn config(&self, others: &PluginConfig) -> PluginConfig {
        PluginConfig {
            sha256: self.sha256,
            settings: self.settings.clone(),
            ..others.clone()
        }
    }

    /// Returns whether the plugin is in a registry.
    pub(super) fn is_registry(&self) -> bool {
        matches!(self.source, Some(PluginSource::Registry(_)))
    }
}
