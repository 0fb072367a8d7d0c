//! The nodes about which a complaint was logged.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::entry::NodeId;

/// Largest number of nodes. A cluster has about 2,000 members at most, but a hostile member can invent any
/// number of ids.
const MAX_NODES: usize = 4_096;

/// Nodes with a logged complaint.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    nodes: BTreeSet<NodeId>,
}

/// Decision about logging a complaint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Complaint {
    /// Log the first complaint about this node.
    First,
    /// Log the first complaint about this node; the set is full, so no other node will be logged.
    Last,
    /// Log nothing: a complaint was logged before, or the set is full.
    None,
}

impl Complaints {
    pub(crate) const fn new() -> Self {
        Self {
            nodes: BTreeSet::new(),
        }
    }

    pub(crate) fn about(&mut self, node_id: NodeId) -> Complaint {
        if self.nodes.len() >= MAX_NODES || !self.nodes.insert(node_id) {
            return Complaint::None;
        }
        if self.nodes.len() == MAX_NODES {
            return Complaint::Last;
        }
        Complaint::First
    }
}
