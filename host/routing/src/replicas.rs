//! The answer of a lookup.

use std::ops::Deref;

use crate::NodeId;

/// The most nodes that a lookup names.
pub const REPLICAS_MAX: usize = 8;

/// The nodes that serve a key, best first. It is held without an allocation.
#[derive(Clone, Copy, Default)]
pub struct Replicas {
    nodes: [NodeId; REPLICAS_MAX],
    /// At most [`REPLICAS_MAX`].
    len: usize,
}

impl Replicas {
    /// The first `len` of these. Straight-line code: this is most of a lookup that is remembered.
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
