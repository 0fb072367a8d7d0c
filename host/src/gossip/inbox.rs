//! Decisions as they arrive: each value once, however many members carry it.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chitchat::{Chitchat, ChitchatId};
use tokio::sync::Notify;

/// Keys with this prefix hold decisions; a node id follows.
pub(super) const DECISION_PREFIX: &str = "edge_cache:";

/// How many values wait at most. What is over it is not lost: the state is read again.
const WAITING_MAX: usize = 16_384;
/// How many nodes are remembered at most, so that a member that makes up nodes fills no memory.
const NODES_MAX: usize = 65_536;

/// Values that have arrived and were not taken yet.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    inner: Mutex<Inner>,
    filled: Notify,
    pub(super) reread: Notify,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Inner {
    /// The hash of the value seen last of each node.
    seen: HashMap<u64, u64>,
    waiting: Vec<(u64, String)>,
    overflowed: bool,
}

impl Inbox {
    /// Takes in a value, and says whether it is news. `key` is what follows the prefix.
    pub(super) fn offer(&self, key: &str, value: &str) -> bool {
        let Some(node_id) = self.note(key, value) else {
            return false;
        };
        let mut inner = self.lock();
        if inner.waiting.len() < WAITING_MAX {
            inner.waiting.push((node_id, value.to_owned()));
        } else {
            inner.overflowed = true;
        }
        drop(inner);
        self.filled.notify_one();
        true
    }

    /// Remembers a value as seen, and gives the node that it is about if it is news.
    pub(super) fn note(&self, key: &str, value: &str) -> Option<u64> {
        let node_id = key.parse().ok()?;
        // An empty value is what a member leaves behind that carries no longer.
        if value.is_empty() {
            return None;
        }
        let hash = self.hasher.hash_one(value);
        let mut inner = self.lock();
        if inner.seen.len() >= NODES_MAX {
            inner.seen.clear();
        }
        (inner.seen.insert(node_id, hash) != Some(hash)).then_some(node_id)
    }

    /// Takes in all values that a member's state holds, also those that were taken before.
    pub(super) fn read(&self, chitchat: &Chitchat) {
        self.lock().seen.clear();
        let own: &ChitchatId = chitchat.self_chitchat_id();
        for (_, state) in chitchat.node_states().iter().filter(|(id, _)| *id != own) {
            for (key, value) in state.iter_prefix(DECISION_PREFIX) {
                let key = key.strip_prefix(DECISION_PREFIX).unwrap_or_default();
                self.offer(key, &value.value);
            }
        }
    }

    /// Waits for values. Nothing is lost if this is dropped before it is done.
    pub(super) async fn take(&self) -> Vec<(u64, String)> {
        loop {
            let waiting = self.take_waiting();
            if !waiting.is_empty() {
                return waiting;
            }
            self.filled.notified().await;
        }
    }

    fn take_waiting(&self) -> Vec<(u64, String)> {
        let mut inner = self.lock();
        if std::mem::take(&mut inner.overflowed) {
            self.reread.notify_one();
        }
        std::mem::take(&mut inner.waiting)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
