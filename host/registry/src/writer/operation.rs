//! The changes that the writer makes, each with the type of its result.

use std::fmt;

use tokio::sync::oneshot;

use crate::metrics::ChangeKind;
use edge_cache_core::decision::Decision;
use edge_cache_core::{EdgeCacheError, EdgeCacheNode, EdgeCacheStats, NodeCapacity, NodeId};

/// The channel for the result of a change. The caller may have gone away; the change is made all the same.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, EdgeCacheError>>;

/// A change of the registry.
pub(crate) trait Operation: Clone + fmt::Debug + Into<AnyOperation> {
    /// The result of the change.
    type Output: Send + 'static;

    /// The kind under which metrics count the change.
    const KIND: ChangeKind;

    /// Pairs the operation with the channel for its result.
    fn with_reply(self, reply: Reply<Self::Output>) -> QueuedChange;

    /// Returns the node that the change may add to the registry.
    fn added_node(&self) -> Option<NodeId> {
        None
    }
}

/// Enables a node with a capacity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Enable {
    pub(crate) node_id: NodeId,
    pub(crate) capacity: NodeCapacity,
}

/// Disables a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Disable {
    pub(crate) node_id: NodeId,
}

/// Adds to the counters of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddStats {
    pub(crate) node_id: NodeId,
    pub(crate) delta: EdgeCacheStats,
}

/// Applies a decision of another agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Merge {
    pub(crate) decision: Decision,
}

/// An operation in the queue, with the channel for its result.
#[derive(Debug)]
pub(crate) enum QueuedChange {
    Enable(Enable, Reply<EdgeCacheNode>),
    Disable(Disable, Reply<()>),
    AddStats(AddStats, Reply<EdgeCacheStats>),
    Merge(Merge, Reply<()>),
}

/// An operation as a value that can be compared with any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AnyOperation {
    Enable(Enable),
    Disable(Disable),
    AddStats(AddStats),
    Merge(Merge),
}

impl Operation for Enable {
    type Output = EdgeCacheNode;
    const KIND: ChangeKind = ChangeKind::Enable;

    fn with_reply(self, reply: Reply<EdgeCacheNode>) -> QueuedChange {
        QueuedChange::Enable(self, reply)
    }

    fn added_node(&self) -> Option<NodeId> {
        Some(self.node_id)
    }
}

impl Operation for Disable {
    type Output = ();
    const KIND: ChangeKind = ChangeKind::Disable;

    fn with_reply(self, reply: Reply<()>) -> QueuedChange {
        QueuedChange::Disable(self, reply)
    }
}

impl Operation for AddStats {
    type Output = EdgeCacheStats;
    const KIND: ChangeKind = ChangeKind::AddStats;

    fn with_reply(self, reply: Reply<EdgeCacheStats>) -> QueuedChange {
        QueuedChange::AddStats(self, reply)
    }
}

impl Operation for Merge {
    type Output = ();
    const KIND: ChangeKind = ChangeKind::Merge;

    fn with_reply(self, reply: Reply<()>) -> QueuedChange {
        QueuedChange::Merge(self, reply)
    }

    fn added_node(&self) -> Option<NodeId> {
        Some(self.decision.node_id)
    }
}

impl From<Enable> for AnyOperation {
    fn from(operation: Enable) -> Self {
        Self::Enable(operation)
    }
}

impl From<Disable> for AnyOperation {
    fn from(operation: Disable) -> Self {
        Self::Disable(operation)
    }
}

impl From<AddStats> for AnyOperation {
    fn from(operation: AddStats) -> Self {
        Self::AddStats(operation)
    }
}

impl From<Merge> for AnyOperation {
    fn from(operation: Merge) -> Self {
        Self::Merge(operation)
    }
}
