//! Following the registry: a snapshot to begin with, and what changed since.
//!
//! The writer only says that there is another view. A subscriber compares the entries that it saw last with
//! those of the newest view, which share what did not change. So there is no queue that could overflow: one
//! that is slow skips states in between and still ends at the true one.

use std::collections::VecDeque;
use std::sync::Arc;

use imbl::ordmap::DiffItem;
use tokio::sync::watch;

use crate::entries::{Entries, LabelledEntry};
use crate::view::{EligibleNodes, ViewCell};
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
    seen: Entries,
    /// Events that lead to `seen`. Never more than the nodes of two snapshots.
    pending: VecDeque<RegistryEvent>,
}

impl RegistryEvents {
    pub(crate) fn new(view: Arc<ViewCell>, mut changed: watch::Receiver<()>) -> Self {
        // Before the view is read: a change in between is looked at once more, and is none.
        changed.mark_unchanged();
        let seen = view.load().entries.clone();
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
            let newest = self.view.load().entries.clone();
            self.pending = events_between(&self.seen, &newest);
            self.seen = newest;
        }
    }
}

/// Returns the events that lead from one version of the entries to a newer one, in ascending order of node id.
fn events_between(older: &Entries, newer: &Entries) -> VecDeque<RegistryEvent> {
    let enabled = |new: &LabelledEntry| RegistryEvent::Enabled(new.entry.node.clone());
    older
        .diff(newer)
        .filter_map(|change| match change {
            DiffItem::Add(_, new) => Some(enabled(new)),
            DiffItem::Update {
                old: (_, old),
                new: (_, new),
            } => (old.entry.node != new.entry.node).then(|| enabled(new)),
            DiffItem::Remove(node_id, _) => Some(RegistryEvent::Disabled { node_id: *node_id }),
        })
        .collect()
}
