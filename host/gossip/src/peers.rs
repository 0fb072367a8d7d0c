//! A snapshot of the other live members. Never changes once made: a change is a new snapshot.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{PeerInfo, TopologyEvent};

#[cfg(test)]
mod tests;

/// The other live members whose record is known, in ascending order of their node ids, each node
/// once, this node never.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Peers {
    ascending: Vec<Arc<PeerInfo>>,
}

impl Peers {
    /// The records, in ascending order of their node ids.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<PeerInfo>> {
        self.ascending.iter()
    }

    /// The record of one node, if it is live.
    #[must_use]
    pub fn get(&self, node_id: u64) -> Option<&Arc<PeerInfo>> {
        let place = self
            .ascending
            .binary_search_by_key(&node_id, |info| info.node_id);
        self.ascending.get(place.ok()?)
    }

    /// How many peers are live.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ascending.len()
    }

    /// Whether this node is alone.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ascending.is_empty()
    }

    /// Makes a snapshot of records that come in ascending order, one a node.
    pub(super) fn from_ascending(records: impl IntoIterator<Item = Arc<PeerInfo>>) -> Self {
        Self {
            ascending: records.into_iter().collect(),
        }
    }

    /// These records, and those of `others` about nodes that are neither here nor in `except`.
    pub(super) fn with(&self, others: &Self, except: &[u64]) -> Self {
        let missing = others
            .iter()
            .filter(|other| self.get(other.node_id).is_none() && !except.contains(&other.node_id));
        let mut ascending: Vec<_> = self.iter().chain(missing).cloned().collect();
        ascending.sort_by_key(|info| info.node_id);
        Self { ascending }
    }

    /// The events that lead from this snapshot to a newer one: first who left, then who joined or
    /// changed, in ascending order.
    pub(super) fn events_to(&self, newer: &Self) -> VecDeque<TopologyEvent> {
        let left = self
            .iter()
            .filter(|old| newer.get(old.node_id).is_none())
            .map(|old| TopologyEvent::Left {
                node_id: old.node_id,
            });
        let arrived = newer.iter().filter_map(|new| match self.get(new.node_id) {
            None => Some(TopologyEvent::Joined(PeerInfo::clone(new))),
            Some(old) if old != new => Some(TopologyEvent::Updated(PeerInfo::clone(new))),
            Some(_) => None,
        });
        left.chain(arrived).collect()
    }
}
