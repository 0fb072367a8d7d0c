//! The data that the registry holds.

use crate::capacity::NodeCapacity;
use crate::time::Timestamp;

/// The cluster-wide number of a node. Every 64-bit value is valid.
pub type NodeId = u64;

/// One node that is eligible as an edge cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeCacheNode {
    /// The node.
    pub node_id: NodeId,
    /// What it is willing to spend.
    pub capacity: NodeCapacity,
    /// When it was enabled last.
    pub enabled_at: Timestamp,
}

/// The cache counters of a node since it was enabled last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EdgeCacheStats {
    /// Requests that the cache answered. Stays at the largest number instead of passing it.
    pub hits: u64,
    /// Requests that it could not answer. Stays at the largest number instead of passing it.
    pub misses: u64,
}

/// All that the registry knows of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The node, its capacity and its time.
    pub node: EdgeCacheNode,
    /// Its counters.
    pub stats: EdgeCacheStats,
}

/// One decision that was taken elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// This entry holds now, exactly as it is, in place of any other of its node.
    Put(Entry),
    /// The node is not registered any more. It may not have been.
    Remove(NodeId),
}

impl Change {
    /// The node that the change is about.
    pub fn node_id(&self) -> NodeId {
        match self {
            Self::Put(entry) => entry.node.node_id,
            Self::Remove(node_id) => *node_id,
        }
    }
}
