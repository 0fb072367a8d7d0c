//! Decisions that this member replicates: its own agent's, and those of other agents.
//!
//! A written key is never deleted: chitchat would have to replicate the deletion, and a member that
//! missed it would have this member's whole state sent again. The key is set to the empty value
//! instead. The outbox does not decode values.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chitchat::Chitchat;
use tokio::sync::Notify;

use crate::inbox::DECISION_PREFIX;

/// Maximum number of values written under one lock of chitchat's state.
const BATCH_MAX: usize = 256;

/// The decisions to publish, by node id.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    values: BTreeMap<u64, String>,
    /// Nodes whose value has changed and is not written yet.
    unwritten: BTreeSet<u64>,
}

impl Outbox {
    /// Sets the decisions of these nodes, and removes those that are `None`.
    pub(crate) fn change(&self, changes: impl IntoIterator<Item = (u64, Option<String>)>) {
        let mut inner = self.lock();
        for (node_id, value) in changes {
            if inner.values.get(&node_id) == value.as_ref() {
                continue;
            }
            match value {
                Some(value) => inner.values.insert(node_id, value),
                None => inner.values.remove(&node_id),
            };
            inner.unwritten.insert(node_id);
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Writes all decisions into a new member's state, and then each change. Never returns.
    pub(crate) async fn run(&self, chitchat: &tokio::sync::Mutex<Chitchat>) {
        {
            let mut inner = self.lock();
            inner.unwritten = inner.values.keys().copied().collect();
        }
        loop {
            let writes = self.next_batch();
            if writes.is_empty() {
                self.changed.notified().await;
                continue;
            }
            let mut chitchat = chitchat.lock().await;
            let state = chitchat.self_node_state();
            for (node_id, value) in writes {
                state.set(format!("{DECISION_PREFIX}{node_id}"), value);
            }
        }
    }

    fn next_batch(&self) -> Vec<(u64, String)> {
        let mut inner = self.lock();
        let mut writes = Vec::new();
        while writes.len() < BATCH_MAX
            && let Some(node_id) = inner.unwritten.pop_first()
        {
            let value = inner.values.get(&node_id).cloned().unwrap_or_default();
            writes.push((node_id, value));
        }
        writes
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
