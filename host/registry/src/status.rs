//! Status of a registry and of its plugin.

use std::fmt;

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

/// The state of a registry's plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PluginState {
    /// The first instance is being started.
    Starting,
    /// The instance takes changes.
    Running,
    /// The instance failed; a fresh one is started soon, and changes wait for it.
    Restarting,
    /// The plugin failed too often. Reads go on, changes are refused, and a fresh instance is tried every
    /// 30 seconds.
    Degraded,
}

impl fmt::Display for PluginState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Degraded => "degraded",
        })
    }
}
