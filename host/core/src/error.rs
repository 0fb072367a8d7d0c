//! The error of a change of the registry.

use strum::{IntoStaticStr, VariantNames};
use thiserror::Error;

use crate::NodeId;

#[cfg(test)]
mod tests;

/// The error of a change. No entry and no label has changed after it.
///
/// The first three are those of the native registry: the change itself was refused. With the others, the
/// host could not carry out the change, and the same change may succeed later.
#[derive(Debug, Clone, PartialEq, Eq, Error, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum EdgeCacheError {
    /// The labels of the node could not be published.
    #[error("gossip label push failed: {0}")]
    #[strum(serialize = "labels-refused")]
    Gossip(String),
    /// The node is not registered.
    #[error("node {0} is not registered as edge-cache eligible")]
    NodeNotFound(NodeId),
    /// The capacity breaks a bound.
    #[error("invalid capacity: {0}")]
    InvalidCapacity(String),
    /// The plugin failed in this change, or is not running. The host does not repeat the change.
    #[error("the plugin failed: {0}")]
    PluginFailed(String),
    /// The change could not be made durable and was undone.
    #[error("the store failed: {0}")]
    StoreFailed(String),
    /// The number of enabled nodes has reached the limit `nodes_max`.
    #[error(
        "the registry is full: {limit} nodes are enabled, which is `limits.nodes_max`; disable one first, or raise it on all agents"
    )]
    #[strum(serialize = "registry-full")]
    Full {
        /// Limit.
        limit: usize,
    },
    /// The queue of changes was full for the whole limit `queue_wait`.
    #[error(
        "the registry is busy: the queue of {queue} changes stayed full for {waited_ms} ms; try again"
    )]
    Busy {
        /// Capacity of the queue, in changes.
        queue: usize,
        /// Time that the change waited, in milliseconds.
        waited_ms: u128,
    },
    /// The agent has not heard yet what the others decided, so its decision might lose unnoticed.
    #[error("this agent has not heard yet what the cluster has decided; try again in a moment")]
    NotJoined,
    /// The decision that stands has the last timestamp, so that none can be later.
    #[error(
        "no later decision about node {0} can be made: the one that stands has the last timestamp before the year 10000; use another node id"
    )]
    NoLaterTime(NodeId),
    /// The node's own agent counts for it, or may be back soon and count for it.
    #[error(
        "the agent of node {0} counts for it, also while it is silent: send its counters there"
    )]
    CountedElsewhere(NodeId),
    /// The agent remembers the last counters of as many sources as its limit allows.
    #[error(
        "{limit} sources have put counters at this agent within a day, which is the most: use the same names again"
    )]
    TooManySources {
        /// Limit.
        limit: usize,
    },
    /// The registry is stopping or has stopped.
    #[error("the registry is shutting down")]
    ShuttingDown,
}

impl EdgeCacheError {
    /// Returns the stable name of the variant, as used in metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.into()
    }
}
