//! Types that the whole crate shares: candidates, and the result of a lookup.

use std::ops::Deref;

/// Number of a node in its cluster.
pub type NodeId = u64;

/// A node that cache traffic may be routed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Share of the traffic relative to the other weights: 1 to [`WEIGHT_MAX`](crate::WEIGHT_MAX).
    pub weight: u32,
    /// Location.
    pub geo: Option<String>,
}

/// Largest number of nodes in the result of a lookup.
pub const REPLICAS_MAX: usize = 8;

/// Nodes that serve a key, best first. Takes no allocation.
#[derive(Clone, Copy, Default)]
pub struct Replicas {
    nodes: [NodeId; REPLICAS_MAX],
    /// At most [`REPLICAS_MAX`].
    len: usize,
}

impl Replicas {
    /// Takes the first `len` nodes. Free of branches, since this is most of a cached lookup.
    #[inline]
    pub(super) fn new<const N: usize>(first: [NodeId; N], len: usize) -> Self {
        let mut nodes = [0; REPLICAS_MAX];
        for (place, node_id) in nodes.iter_mut().zip(first) {
            *place = node_id;
        }
        Self {
            nodes,
            len: len.min(N).min(REPLICAS_MAX),
        }
    }
}

impl Deref for Replicas {
    type Target = [NodeId];

    #[inline]
    fn deref(&self) -> &[NodeId] {
        self.nodes.get(..self.len).unwrap_or_default()
    }
}

impl PartialEq for Replicas {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Replicas {}

impl std::fmt::Debug for Replicas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
