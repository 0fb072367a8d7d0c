//! Components for tests: built by the project's own builder, compiled once in a process.

use std::sync::OnceLock;

use anyhow::{Result, anyhow};
use edge_cache_host::sandbox::{Plugin, PluginConfig};

/// The bytes of the reference component, built from the present sources.
///
/// # Errors
///
/// Whatever kept it from being built.
pub fn reference_bytes() -> Result<&'static [u8]> {
    static BYTES: OnceLock<Result<Vec<u8>, String>> = OnceLock::new();
    BYTES
        .get_or_init(|| {
            let path = edge_cache_build::reference_component().map_err(|e| format!("{e:#}"))?;
            std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))
        })
        .as_deref()
        .map_err(|error| anyhow!("the reference component is not there: {error}"))
}

/// The reference component with the default configuration, compiled once.
///
/// # Errors
///
/// Whatever kept it from being built or compiled.
pub fn reference_plugin() -> Result<Plugin> {
    static PLUGIN: OnceLock<Result<Plugin, String>> = OnceLock::new();
    PLUGIN
        .get_or_init(|| {
            reference_plugin_with(PluginConfig::default()).map_err(|e| format!("{e:#}"))
        })
        .clone()
        .map_err(|error| anyhow!(error))
}

/// The reference component, configured as the test needs it.
///
/// # Errors
///
/// Whatever kept it from being built or compiled.
pub fn reference_plugin_with(config: PluginConfig) -> Result<Plugin> {
    Ok(Plugin::from_bytes(reference_bytes()?, config)?)
}
