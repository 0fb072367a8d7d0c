//! The snapshot of the other live members. A snapshot is immutable: each change makes a new one.

use std::mem;
use std::sync::Arc;

use edge_cache_core::PeerInfo;

#[cfg(test)]
mod tests;

/// The other live members with a valid record, in ascending order of node id.
///
/// Each node occurs once. This node is not included.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Peers {
    ascending: Vec<Arc<PeerInfo>>,
    /// The nodes that leave or have left, ascending.
    pub(crate) left: Vec<u64>,
}

impl Peers {
    /// Returns the node infos in ascending order of node id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<PeerInfo>> {
        self.ascending.iter()
    }

    /// Returns the info of one node, if it is live.
    #[must_use]
    pub fn get(&self, node_id: u64) -> Option<&Arc<PeerInfo>> {
        let index = self
            .ascending
            .binary_search_by_key(&node_id, |info| info.node_id);
        self.ascending.get(index.ok()?)
    }

    /// Returns the number of live peers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ascending.len()
    }

    /// Returns `true` if there is no live peer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ascending.is_empty()
    }

    /// Returns `true` if a node said that it leaves.
    #[must_use]
    pub fn has_left(&self, node_id: u64) -> bool {
        self.left.binary_search(&node_id).is_ok()
    }

    /// Adds the peers of `others` whose node is not here and has not left.
    pub(crate) fn with(&self, others: &Self) -> Self {
        let missing = others
            .iter()
            .filter(|other| self.get(other.node_id).is_none() && !self.has_left(other.node_id));
        Self {
            left: self.left.clone(),
            ..self.iter().chain(missing).cloned().collect()
        }
    }
}

/// Takes the infos in any order. Of each node the last one counts.
impl FromIterator<Arc<PeerInfo>> for Peers {
    fn from_iter<I: IntoIterator<Item = Arc<PeerInfo>>>(infos: I) -> Self {
        let mut ascending: Vec<_> = infos.into_iter().collect();
        ascending.sort_by_key(|info| info.node_id);
        ascending.dedup_by(|later, kept| {
            let is_same_node = later.node_id == kept.node_id;
            if is_same_node {
                mem::swap(later, kept);
            }
            is_same_node
        });
        Self {
            ascending,
            left: Vec::new(),
        }
    }
}
