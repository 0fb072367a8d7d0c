//! How the component is doing.

/// How a registry is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What it is doing now.
    pub state: PluginState,
    /// How often a fresh instance took the place of a failed one.
    pub restarts: u64,
    /// The last failure, in words, if there was one.
    pub last_failure: Option<String>,
    /// Why nothing can be made durable at present, if so. Changes are refused meanwhile.
    pub store_failure: Option<String>,
}

/// What the component of a registry is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PluginState {
    /// Its first instance is being started.
    Starting,
    /// It takes changes.
    Running,
    /// A fresh instance is about to be started; changes wait.
    Restarting,
    /// It failed too often. Reads go on, changes are refused, and a fresh instance is tried every
    /// 30 seconds.
    Degraded,
}
