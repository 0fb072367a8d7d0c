//! Which nodes were complained about already.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::entry::NodeId;

/// The most nodes that are remembered. A cluster has about 2,000 members at most, but a hostile one
/// can invent any number of ids.
const MAX_NODES: usize = 4_096;

/// The nodes that were complained about, each once.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    nodes: BTreeSet<NodeId>,
}

/// Whether to complain about a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Complaint {
    /// It is the first one about this node.
    First,
    /// It is the first one about this node, and no other node can be remembered after it: there
    /// will be none about any other.
    Last,
    /// There was one before, or there is no room to remember this one.
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
