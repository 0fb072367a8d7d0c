//! Following the registry: a snapshot to begin with, and what changed since.
//!
//! The writer only says that there is another view. A subscriber compares the entries that it saw last with
//! those of the newest view, which share what did not change. So there is no queue that could overflow: one
//! that is slow skips states in between and still ends at the true one.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

use super::records::Records;
use super::view::{EligibleNodes, ViewCell};
use edge_cache_core::{EdgeCacheNode, NodeId};

#[cfg(test)]
mod tests;

/// A change of which nodes are eligible, or of what they give. Counters are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryEvent {
    /// A node was enabled, or enabled anew.
    Enabled(EdgeCacheNode),
    /// A node is not eligible any more.
    Disabled {
        /// The node.
        node_id: NodeId,
    },
}

/// The changes after a subscription, from `EdgeCacheRegistry::subscribe`.
///
/// Holding one does not keep the registry running.
#[derive(Debug)]
pub struct RegistryEvents {
    view: Arc<ViewCell>,
    changed: watch::Receiver<()>,
    seen: Records,
    /// Events that lead to `seen`. Never more than the nodes of two snapshots.
    pending: VecDeque<RegistryEvent>,
}

impl RegistryEvents {
    pub(super) fn new(view: Arc<ViewCell>, mut changed: watch::Receiver<()>) -> Self {
        // Before the view is read: a change in between is looked at once more, and is none.
        changed.mark_unchanged();
        let seen = view.load().records.clone();
        Self {
            view,
            changed,
            seen,
            pending: VecDeque::new(),
        }
    }

    /// The snapshot that these events continue: before the first [`next`](Self::next) the nodes at the time
    /// of the subscription, later the state that the events being handed out lead to.
    #[must_use]
    pub fn snapshot(&self) -> EligibleNodes {
        EligibleNodes::new(self.seen.clone())
    }

    /// Waits for the next change. `None` once the registry has stopped and everything was handed out.
    ///
    /// No event is lost if this is dropped before it is done.
    pub async fn next(&mut self) -> Option<RegistryEvent> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            self.changed.changed().await.ok()?;
            let newest = self.view.load().records.clone();
            self.pending = self.seen.events_to(&newest);
            self.seen = newest;
        }
    }
}
