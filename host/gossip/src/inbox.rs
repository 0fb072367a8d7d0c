//! Decisions as they arrive: each value once, however many members carry it.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chitchat::{Chitchat, ChitchatId};
use tokio::sync::Notify;
use tracing::warn;

use edge_cache_core::decision::Decision;

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
    /// How many values were over the limit.
    pub(super) too_large: AtomicU64,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Inner {
    /// What was seen last of each node.
    seen: HashMap<u64, Seen>,
    waiting: Vec<(u64, String)>,
    overflowed: bool,
}

/// A value that was seen.
#[derive(Debug, Clone, Copy)]
struct Seen {
    hash: u64,
    /// Whether another member carries it: it has taken it over then.
    is_replicated: bool,
    /// Whether it is small enough to be a decision.
    fits: bool,
}

impl Inner {
    /// Remembers a value as seen, and gives the node that it is about if it is news.
    fn note(&mut self, key: &str, value: &str, seen: Seen) -> Option<u64> {
        let node_id: u64 = key.parse().ok()?;
        // An empty value is what a member leaves behind that carries no longer, and a node has one name.
        if value.is_empty() || node_id.to_string() != key {
            return None;
        }
        if self.seen.len() >= NODES_MAX {
            self.seen.clear();
        }
        match self.seen.get_mut(&node_id) {
            Some(before) if before.hash == seen.hash => {
                before.is_replicated |= seen.is_replicated;
                None
            }
            _ => {
                self.seen.insert(node_id, seen);
                Some(node_id)
            }
        }
    }
}

impl Inbox {
    /// Takes in a value, and says whether it is news. `key` is what follows the prefix.
    pub(super) fn offer(&self, key: &str, value: &str) -> bool {
        let mut inner = self.lock();
        if inner.waiting.len() >= WAITING_MAX {
            // It counts as not seen, and comes again when there is room.
            inner.overflowed = true;
            return true;
        }
        let seen = Seen {
            is_replicated: true,
            ..self.seen(value)
        };
        let Some(node_id) = inner.note(key, value, seen) else {
            return false;
        };
        if !seen.fits {
            drop(inner);
            self.too_large.fetch_add(1, Ordering::Relaxed);
            warn!(
                node_id,
                bytes = value.len(),
                "ignored a decision that is too large"
            );
            return false;
        }
        inner.waiting.push((node_id, value.to_owned()));
        drop(inner);
        self.filled.notify_one();
        true
    }

    /// Remembers a value that this member has written, and gives the node that it is about if it is
    /// news.
    pub(super) fn note(&self, key: &str, value: &str) -> Option<u64> {
        let seen = self.seen(value);
        self.lock().note(key, value, seen)
    }

    /// Whether another member carries this decision.
    pub(super) fn is_replicated(&self, decision: &Decision) -> bool {
        let seen = self.lock().seen.get(&decision.node_id).copied();
        let hash = || self.hasher.hash_one(decision.encode());
        seen.is_some_and(|seen| seen.is_replicated && seen.hash == hash())
    }

    /// How many values wait to be taken.
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Has all values come again, also those that were taken before.
    pub(super) fn forget(&self) {
        // What can't be taken is counted once.
        self.lock().seen.retain(|_, seen| !seen.fits);
        self.reread.notify_one();
    }

    /// Takes in all values that a member's state holds and that are news.
    pub(super) fn read(&self, chitchat: &Chitchat) {
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

    fn seen(&self, value: &str) -> Seen {
        Seen {
            hash: self.hasher.hash_one(value),
            is_replicated: false,
            fits: value.len() <= Decision::BYTES_MAX,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
