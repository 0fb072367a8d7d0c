//! Status of a registry and of its plugin.

use edge_cache_core::PluginState;

/// The status of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The state of the plugin.
    pub state: PluginState,
    /// The number of fresh instances that replaced a failed one.
    pub restarts: u64,
    /// The text of the last failure, if there was one.
    pub last_failure: Option<String>,
    /// Why the store is closed, if it is. Changes are refused meanwhile.
    pub store_failure: Option<String>,
}
