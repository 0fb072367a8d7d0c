//! Errors of changes. The registry has not changed after an error.

use thiserror::Error;

use crate::capacity::CapacityError;
use crate::entry::NodeId;

/// The error of a change of one node.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EdgeCacheError {
    /// The labels could not be published; the text says why.
    #[error("gossip label push failed: {0}")]
    Gossip(String),
    /// The node is not registered.
    #[error("node {0} is not registered as edge-cache eligible")]
    NodeNotFound(NodeId),
    /// The capacity breaks a bound; the text names the field and the bound.
    #[error("invalid capacity: {0}")]
    InvalidCapacity(String),
}

impl From<CapacityError> for EdgeCacheError {
    fn from(error: CapacityError) -> Self {
        Self::InvalidCapacity(error.to_string())
    }
}

impl From<LabelError> for EdgeCacheError {
    fn from(error: LabelError) -> Self {
        Self::Gossip(error.to_string())
    }
}

/// The error of publishing labels.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LabelError {
    /// The labels may not be published; the text says which and why.
    #[error("denied: {0}")]
    Denied(String),
    /// A key, a value or all labels together are too long; the number is the limit, in bytes.
    #[error("larger than the limit of {0} bytes")]
    TooLarge(u32),
    /// The host cannot announce labels at present; the text says why.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

/// The error of a set of entries or changes, all of which are refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The entry of this node was refused.
    #[error("node {node_id}: {reason}")]
    Node {
        /// First refused node.
        node_id: NodeId,
        /// Error of its entry, or of publishing its labels.
        reason: EdgeCacheError,
    },
    /// The time of this node's entry breaks a bound.
    #[error("node {0}: enabled-at must be in whole milliseconds before the year 10000")]
    EnabledAt(NodeId),
    /// The node has more than one entry.
    #[error("node {0} is named more than once")]
    NamedTwice(NodeId),
}

impl Refusal {
    pub(crate) fn node(node_id: NodeId, reason: impl Into<EdgeCacheError>) -> Self {
        Self::Node {
            node_id,
            reason: reason.into(),
        }
    }
}
