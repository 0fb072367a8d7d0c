//! Following the topology: a snapshot to begin with, and what changed since.
//!
//! A subscriber keeps the snapshot that it saw last and compares it with the newest. So it needs no
//! queue that could overflow: one that is slow skips states in between and still ends at the true
//! one.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

use super::{PeerInfo, Peers};

/// A change among the other live members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopologyEvent {
    /// A node that was not live, or whose record was not known, is live now.
    Joined(PeerInfo),
    /// A live node's record changed.
    Updated(PeerInfo),
    /// A node is not live any more, or its record can no longer be trusted.
    Left {
        /// The node that left.
        node_id: u64,
    },
}

/// The changes after a subscription, from `GossipPool::subscribe`.
///
/// Holding one does not keep the pool running.
#[derive(Debug)]
pub struct TopologyEvents {
    newest: watch::Receiver<Arc<Peers>>,
    seen: Arc<Peers>,
    /// Events that lead to `seen`. Never more than the peers of two snapshots.
    pending: VecDeque<TopologyEvent>,
}

impl TopologyEvents {
    pub(super) fn new(mut newest: watch::Receiver<Arc<Peers>>) -> Self {
        let seen = Arc::clone(&newest.borrow_and_update());
        Self {
            newest,
            seen,
            pending: VecDeque::new(),
        }
    }

    /// The snapshot that these events continue: before the first [`next`](Self::next) the peers at
    /// the time of the subscription, later the state after the change being handed out.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Peers> {
        &self.seen
    }

    /// Waits for the next change. `None` once the pool has stopped and everything was handed out.
    ///
    /// No event is lost if this is dropped before it is done.
    pub async fn next(&mut self) -> Option<TopologyEvent> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            self.newest.changed().await.ok()?;
            let newest = Arc::clone(&self.newest.borrow_and_update());
            self.pending = self.seen.events_to(&newest);
            self.seen = newest;
        }
    }
}
