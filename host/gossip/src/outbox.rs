//! What this member carries beside its own record: decisions about nodes, as others gave them or as
//! its own agent took them. What they say is not looked at here.
//!
//! A key that was outbox once is never deleted: chitchat would have to tell everybody, and whoever
//! missed it would have the whole member sent anew. It is set to the empty value instead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chitchat::Chitchat;
use tokio::sync::Notify;

use super::inbox::DECISION_PREFIX;

/// How many values are written at once: others wait for the lock meanwhile.
const WRITE_AT_ONCE: usize = 256;

/// What is to be outbox.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    wanted: Mutex<Wanted>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Wanted {
    values: BTreeMap<u64, String>,
    /// Nodes whose value has changed and is not written yet.
    unwritten: BTreeSet<u64>,
}

impl Outbox {
    /// Carries these values from now on, and no longer those that are `None`.
    pub(super) fn change(&self, changes: impl IntoIterator<Item = (u64, Option<String>)>) {
        let mut wanted = self.lock();
        for (node_id, value) in changes {
            if wanted.values.get(&node_id) == value.as_ref() {
                continue;
            }
            match value {
                Some(value) => wanted.values.insert(node_id, value),
                None => wanted.values.remove(&node_id),
            };
            wanted.unwritten.insert(node_id);
        }
        drop(wanted);
        self.wake.notify_one();
    }

    /// Writes everything into a new member's state, and then every change. Never ends.
    pub(super) async fn run(&self, chitchat: &tokio::sync::Mutex<Chitchat>) {
        {
            let mut wanted = self.lock();
            wanted.unwritten = wanted.values.keys().copied().collect();
        }
        loop {
            let writes = self.take();
            if writes.is_empty() {
                self.wake.notified().await;
                continue;
            }
            let mut chitchat = chitchat.lock().await;
            let state = chitchat.self_node_state();
            for (node_id, value) in writes {
                state.set(format!("{DECISION_PREFIX}{node_id}"), value);
            }
        }
    }

    fn take(&self) -> Vec<(u64, String)> {
        let mut wanted = self.lock();
        let mut writes = Vec::new();
        while writes.len() < WRITE_AT_ONCE
            && let Some(node_id) = wanted.unwritten.pop_first()
        {
            let value = wanted.values.get(&node_id).cloned().unwrap_or_default();
            writes.push((node_id, value));
        }
        writes
    }

    fn lock(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
