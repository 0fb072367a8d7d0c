//! Loading of the declared plugin.

use std::io;

use super::error::RunError;
use crate::plugin_manager::{EMBEDDED_PLUGIN, PluginManager, PluginSource};
use crate::settings::AgentSettings;
use edge_cache_host::sandbox::{CodeCache, Plugin};

/// Loads the declared plugin and starts its manager.
pub(crate) async fn load(
    settings: &AgentSettings,
    cache: Option<CodeCache>,
) -> Result<(PluginManager, Plugin), RunError> {
    let config = settings.plugin_config.config(&settings.limits, cache);
    let source = source(settings)?;
    // Compiling blocks for up to seconds.
    let loaded = tokio::task::spawn_blocking(move || PluginManager::start(config, source)).await;
    let loaded = loaded.map_err(|error| RunError::System {
        action: "load the plugin",
        source: io::Error::other(error),
    })?;
    loaded.map_err(RunError::Plugin)
}

fn source(settings: &AgentSettings) -> Result<PluginSource, RunError> {
    match &settings.plugin {
        Some(file) => Ok(PluginSource::File(file.clone())),
        None => EMBEDDED_PLUGIN
            .map(PluginSource::Embedded)
            .ok_or(RunError::NoPlugin),
    }
}
