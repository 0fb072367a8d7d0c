//! Topology events: a snapshot to start with, and the changes since.
//!
//! A subscriber keeps the snapshot that it saw last and compares it with the newest one. So there is
//! no queue that could overflow: a slow subscriber skips intermediate states and still reaches the
//! newest.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

use crate::peers::Peers;
use edge_cache_core::PeerInfo;

#[cfg(test)]
mod tests;

/// A change of the other live members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopologyEvent {
    /// A node became live, or its record became valid.
    Joined(PeerInfo),
    /// The record of a live node changed.
    Updated(PeerInfo),
    /// A node said that it leaves.
    Left {
        /// The node that left.
        node_id: u64,
    },
    /// A node became silent without a leave, or its record became invalid or was withdrawn.
    Failed {
        /// The node that failed.
        node_id: u64,
    },
}

/// A subscription to the changes of the other live members, from `GossipPool::subscribe`.
///
/// A subscription does not keep the pool running.
#[derive(Debug)]
pub struct TopologyEvents {
    newest: watch::Receiver<Arc<Peers>>,
    seen: Arc<Peers>,
    /// Events that lead to `seen`. At most the peers of two snapshots.
    pending: VecDeque<TopologyEvent>,
}

impl TopologyEvents {
    pub(crate) fn new(mut newest: watch::Receiver<Arc<Peers>>) -> Self {
        let seen = Arc::clone(&newest.borrow_and_update());
        Self {
            newest,
            seen,
            pending: VecDeque::new(),
        }
    }

    /// Returns the snapshot that these events lead to.
    ///
    /// Before the first [`next`](Self::next) that is the snapshot at the time of the subscription.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Peers> {
        &self.seen
    }

    /// Waits for the next change. Returns `None` once the pool has stopped and no event is left.
    ///
    /// Cancel safe: no event is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<TopologyEvent> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            self.newest.changed().await.ok()?;
            let newest = Arc::clone(&self.newest.borrow_and_update());
            self.pending = events_between(&self.seen, &newest);
            self.seen = newest;
        }
    }
}

/// Lists the events between two snapshots: nodes that left or failed, then nodes that joined or changed, each
/// in ascending order.
fn events_between(older: &Peers, newer: &Peers) -> VecDeque<TopologyEvent> {
    let left = older
        .iter()
        .map(|old| &**old)
        .filter(|old| newer.get(old.node_id).is_none())
        .map(|PeerInfo { node_id, .. }| {
            let node_id = *node_id;
            if newer.has_left(node_id) {
                TopologyEvent::Left { node_id }
            } else {
                TopologyEvent::Failed { node_id }
            }
        });
    let arrived = newer.iter().filter_map(|new| match older.get(new.node_id) {
        None => Some(TopologyEvent::Joined(PeerInfo::clone(new))),
        Some(old) if old != new => Some(TopologyEvent::Updated(PeerInfo::clone(new))),
        Some(_) => None,
    });
    left.chain(arrived).collect()
}
