//! Why a change did not happen.

use thiserror::Error;

use crate::NodeId;

/// The error of a change. After any of these nothing has changed: neither an entry nor a label.
///
/// The first three are the native registry's and say that the change itself was refused. The others say
/// that the host could not have it decided; the same change may succeed later.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EdgeCacheError {
    /// The labels that follow from the change could not be published.
    #[error("gossip label push failed: {0}")]
    Gossip(String),
    /// The node is not registered.
    #[error("node {0} is not registered as edge-cache eligible")]
    NodeNotFound(NodeId),
    /// The capacity breaks a bound.
    #[error("invalid capacity: {0}")]
    InvalidCapacity(String),
    /// The component failed in this change or is not running. A change that it failed in is not tried
    /// again by itself.
    #[error("the plugin failed: {0}")]
    PluginFailed(String),
    /// The change could not be made durable. It is undone.
    #[error("the store failed: {0}")]
    StoreFailed(String),
    /// The registry holds as many nodes as it may.
    #[error(
        "the registry is full: it knows {limit} nodes, disabled ones among them, its limit `nodes_max`"
    )]
    Full {
        /// The limit.
        limit: usize,
    },
    /// The queue of changes stayed full for as long as a change waits.
    #[error(
        "the registry is busy: the queue of {queue} changes stayed full for {waited_ms} ms; try again"
    )]
    Busy {
        /// How many changes the queue holds.
        queue: usize,
        /// How long the change waited, in milliseconds.
        waited_ms: u128,
    },
    /// The registry is stopping or has stopped.
    #[error("the registry is shutting down")]
    ShuttingDown,
}

impl EdgeCacheError {
    /// Returns the stable name of the variant, which metrics use.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Gossip(_) => "labels-refused",
            Self::NodeNotFound(_) => "node-not-found",
            Self::InvalidCapacity(_) => "invalid-capacity",
            Self::PluginFailed(_) => "plugin-failed",
            Self::StoreFailed(_) => "store-failed",
            Self::Full { .. } => "registry-full",
            Self::Busy { .. } => "busy",
            Self::ShuttingDown => "shutting-down",
        }
    }
}
