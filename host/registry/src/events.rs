//! Subscription to changes of the registry: a snapshot, and the events after it.
//!
//! The writer only signals that there is a newer view. A subscriber compares the entries that it saw last with those
//! of the newest view; shared structure is skipped. So there is no queue that could overflow: a slow subscriber skips
//! states in between and still ends at the current one.

use std::collections::VecDeque;
use std::sync::Arc;

use imbl::ordmap::DiffItem;
use tokio::sync::watch;

use crate::entries::Entries;
use crate::view::{EligibleNodes, ViewCell};
use edge_cache_core::{EdgeCacheNode, Entry, NodeId};

#[cfg(test)]
mod tests;

/// A change of the eligible nodes or of their capacities. Changes of counters cause no event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryEvent {
    /// A node was enabled, or enabled again with a new capacity or time.
    Enabled(EdgeCacheNode),
    /// A node is not eligible any more.
    Disabled {
        /// The node.
        node_id: NodeId,
    },
}

/// The events after a subscription with [`EdgeCacheRegistry::subscribe`](crate::EdgeCacheRegistry::subscribe).
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
        // Before the view is read: a change in between causes one comparison without events.
        changed.mark_unchanged();
        let seen = view.load().entries.clone();
        Self {
            view,
            changed,
            seen,
            pending: VecDeque::new(),
        }
    }

    /// Returns the state that the pending events lead to. Before the first [`next`](Self::next) this is the state at
    /// the subscription.
    #[must_use]
    pub fn snapshot(&self) -> EligibleNodes {
        EligibleNodes {
            entries: self.seen.clone(),
        }
    }

    /// Waits for the next event. Returns `None` once the registry has stopped and all events were returned.
    ///
    /// Cancel safe: no event is lost if the future is dropped.
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
    let enabled = |new: &Entry| RegistryEvent::Enabled(new.node.clone());
    older
        .diff(newer)
        .filter_map(|change| match change {
            DiffItem::Add(_, new) => Some(enabled(new)),
            DiffItem::Update {
                old: (_, old),
                new: (_, new),
            } => (old.node != new.node).then(|| enabled(new)),
            DiffItem::Remove(node_id, _) => Some(RegistryEvent::Disabled { node_id: *node_id }),
        })
        .collect()
}
