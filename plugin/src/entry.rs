//! Data of the registry.

use crate::capacity::NodeCapacity;
use crate::time::Timestamp;

/// Number of a node in its cluster. Every 64-bit value is valid.
pub type NodeId = u64;

/// A node that is eligible as an edge cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeCacheNode {
    /// Id of the node.
    pub node_id: NodeId,
    /// Offered resources.
    pub capacity: NodeCapacity,
    /// Time at which it was last enabled.
    pub enabled_at: Timestamp,
}

/// Cache counters of a node since it was last enabled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EdgeCacheStats {
    /// Number of requests that the cache served. Saturates at the largest number.
    pub hits: u64,
    /// Number of requests that were passed on to the origin. Saturates at the largest number.
    pub misses: u64,
}

/// Entry of one node in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Node.
    pub node: EdgeCacheNode,
    /// Counters.
    pub stats: EdgeCacheStats,
}

/// A decision of another agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Adds or replaces the entry of a node, exactly as given.
    Put(Entry),
    /// Removes a node, which may be unknown.
    Remove(NodeId),
}

impl Change {
    /// Returns the node that is changed.
    pub fn node_id(&self) -> NodeId {
        match self {
            Self::Put(entry) => entry.node.node_id,
            Self::Remove(node_id) => *node_id,
        }
    }
}
