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
pub(crate) struct Complaints(BTreeSet<NodeId>);

impl Complaints {
    pub(crate) const fn new() -> Self {
        Self(BTreeSet::new())
    }

    /// Returns whether to log a complaint about a node: the first one, of a bounded number of nodes.
    pub(crate) fn add(&mut self, node_id: NodeId) -> bool {
        self.0.len() < MAX_NODES && self.0.insert(node_id)
    }
}
