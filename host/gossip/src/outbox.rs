//! Decisions that this member replicates, its own agent's and those of other agents, and its own counters.
//!
//! A written key is never deleted: chitchat would have to replicate the deletion, and a member that
//! missed it would have this member's whole state sent again. The key is set to the empty value
//! instead. When many keys are empty, the server is renewed, which leaves them behind. The outbox does
//! not decode values.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chitchat::Chitchat;
use tokio::sync::Notify;

#[cfg(test)]
mod tests;

/// Maximum number of values written under one lock of chitchat's state.
const BATCH_MAX: usize = 256;

/// Number of empty keys after which the server is renewed. Each takes about 230 bytes at each member.
const EMPTY_KEYS_MAX: usize = 65_536;

/// The values to publish, by key.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    inner: Mutex<Inner>,
    changed: Notify,
    /// Notified once in the life of a server, when so many keys are empty that it is to be renewed.
    pub(crate) is_crowded: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    values: BTreeMap<String, String>,
    /// Keys whose value has changed and is not written yet.
    unwritten: BTreeSet<String>,
}

impl Outbox {
    /// Sets the values of these keys, and removes those that are `None`.
    pub(crate) fn change(&self, changes: impl IntoIterator<Item = (String, Option<String>)>) {
        let mut inner = self.lock();
        for (key, value) in changes {
            if inner.values.get(&key) == value.as_ref() {
                continue;
            }
            match value {
                Some(value) => inner.values.insert(key.clone(), value),
                None => inner.values.remove(&key),
            };
            inner.unwritten.insert(key);
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Writes all values into a new member's state, and then each change. Never returns.
    pub(crate) async fn run(&self, chitchat: &tokio::sync::Mutex<Chitchat>) {
        {
            let mut inner = self.lock();
            let Inner { values, unwritten } = &mut *inner;
            unwritten.extend(values.keys().cloned());
        }
        let (mut empty, mut is_crowded) = (HashSet::new(), false);
        loop {
            if empty.len() >= EMPTY_KEYS_MAX && !is_crowded {
                is_crowded = true;
                self.is_crowded.notify_one();
            }
            let writes = self.next_batch();
            if writes.is_empty() {
                self.changed.notified().await;
                continue;
            }
            let mut chitchat = chitchat.lock().await;
            let state = chitchat.self_node_state();
            for (key, value) in writes {
                if value.is_empty() {
                    empty.insert(key.clone());
                } else {
                    empty.remove(&key);
                }
                state.set(key, value);
            }
        }
    }

    fn next_batch(&self) -> Vec<(String, String)> {
        let mut inner = self.lock();
        let mut writes = Vec::new();
        while writes.len() < BATCH_MAX
            && let Some(key) = inner.unwritten.pop_first()
        {
            let value = inner.values.get(&key).cloned().unwrap_or_default();
            writes.push((key, value));
        }
        writes
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
