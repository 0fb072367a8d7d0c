//! Incoming decisions: each value is delivered once, however many members replicate it.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chitchat::{Chitchat, ChitchatId};
use edge_cache_core::decision::Decision;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::Notify;
use tracing::warn;

use crate::clock::LogLimit;

#[cfg(test)]
mod tests;

/// Prefix of the keys that hold decisions. A node id follows.
pub(crate) const DECISION_PREFIX: &str = "edge_cache:";

/// Maximum number of pending values. Values over the limit are not lost: the state is read again.
const PENDING_MAX: usize = 16_384;
/// Maximum number of remembered nodes, so that invented nodes cannot fill the memory. Decisions about more nodes are
/// ignored until members carry fewer.
const NODES_MAX: usize = 262_144;

/// Decisions that have arrived and are not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    inner: Mutex<Inner>,
    filled: Notify,
    /// Notified when all values must be read again.
    pub(crate) reread: Notify,
    /// Counts values over the size limit.
    bad_records: Counter,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Inner {
    /// Latest value of each node.
    seen: HashMap<u64, Seen>,
    pending: Vec<(u64, String)>,
    /// Number of values that were taken last, and are worked on until more are waited for.
    taken: usize,
    overflowed: bool,
    /// Decisions that were ignored since the last read because there are too many.
    ignored: usize,
    ignored_log: LogLimit,
    too_large_log: LogLimit,
}

/// A value that was received or written.
#[derive(Debug, Clone, Copy)]
struct Seen {
    hash: u64,
    /// `true` if another member replicates the value.
    is_replicated: bool,
    /// `true` if the value is small enough to be a decision.
    fits: bool,
}

impl Inner {
    /// Remembers a value. Returns its node id if the value is new.
    fn note(&mut self, key: &str, value: &str, seen: Seen) -> Option<u64> {
        let node_id: u64 = key.parse().ok()?;
        // An empty value means that its member no longer replicates the decision. Other spellings of
        // the node id are ignored.
        if value.is_empty() || node_id.to_string() != key {
            return None;
        }
        let is_full = self.seen.len() >= NODES_MAX;
        match self.seen.get_mut(&node_id) {
            Some(before) if before.hash == seen.hash => {
                before.is_replicated |= seen.is_replicated;
                None
            }
            None if is_full => {
                self.ignored = self.ignored.saturating_add(1);
                None
            }
            _ => {
                self.seen.insert(node_id, seen);
                Some(node_id)
            }
        }
    }

    /// Logs that decisions were ignored, if they were.
    fn warn(&mut self) {
        if self.ignored > 0 && self.ignored_log.pass().is_some() {
            warn!(
                ignored = self.ignored,
                limit = NODES_MAX,
                "members carry decisions about too many nodes; the rest is ignored"
            );
        }
    }
}

impl Inbox {
    /// Creates an empty inbox that counts values over the size limit.
    pub(crate) fn new(bad_records: Counter) -> Self {
        Self {
            bad_records,
            ..Self::default()
        }
    }

    /// Adds a value. Returns `true` if it is new. `key` is the key without the prefix.
    pub(crate) fn offer(&self, key: &str, value: &str) -> bool {
        let mut inner = self.lock();
        if inner.pending.len() >= PENDING_MAX {
            // Not remembered, so that the next read of the state delivers it.
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
            self.bad_records.inc();
            if let Some(left_out) = inner.too_large_log.pass() {
                warn!(
                    left_out,
                    node_id,
                    bytes = value.len(),
                    "ignored a decision over the size limit"
                );
            }
            return false;
        }
        inner.pending.push((node_id, value.to_owned()));
        drop(inner);
        self.filled.notify_one();
        true
    }

    /// Remembers a value that this member has written. Returns its node id if the value is new.
    pub(crate) fn note(&self, key: &str, value: &str) -> Option<u64> {
        let seen = self.seen(value);
        self.lock().note(key, value, seen)
    }

    /// Returns `true` if another member replicates this decision.
    pub(crate) fn is_replicated(&self, decision: &Decision) -> bool {
        let seen = self.lock().seen.get(&decision.node_id).copied();
        let hash = || self.hasher.hash_one(decision.encode());
        seen.is_some_and(|seen| seen.is_replicated && seen.hash == hash())
    }

    /// Returns the number of values that are pending or worked on, as far as it is known.
    pub(crate) fn pending(&self) -> usize {
        let inner = self.lock();
        let waiting = inner.pending.len().saturating_add(inner.taken);
        waiting.saturating_add(inner.overflowed.into())
    }

    /// Delivers all values again, including those taken before.
    pub(crate) fn redeliver(&self) {
        // Values over the size limit stay remembered, so that they are counted once.
        self.lock().seen.retain(|_, seen| !seen.fits);
        self.reread.notify_one();
    }

    /// Adds all new values of the other members, and notes which of them live members replicate now.
    pub(crate) fn read(&self, chitchat: &Chitchat) {
        self.make_room(chitchat);
        self.lock().ignored = 0;
        let own: &ChitchatId = chitchat.self_chitchat_id();
        for (_, state) in chitchat.node_states().iter().filter(|(id, _)| *id != own) {
            for (key, value) in state.iter_prefix(DECISION_PREFIX) {
                let key = key.strip_prefix(DECISION_PREFIX).unwrap_or_default();
                self.offer(key, &value.value);
            }
        }
        self.recount(chitchat);
        self.lock().warn();
    }

    /// Forgets nodes about which nobody carries a decision, if many are remembered.
    fn make_room(&self, chitchat: &Chitchat) {
        let mut inner = self.lock();
        if inner.seen.len() >= NODES_MAX / 2 {
            let carried = carried(chitchat);
            inner.seen.retain(|node_id, _| carried.contains(node_id));
        }
    }

    /// Notes anew which values live members replicate.
    fn recount(&self, chitchat: &Chitchat) {
        let own = chitchat.self_chitchat_id();
        let live = chitchat.live_nodes().filter(|id| *id != own);
        let mut inner = self.lock();
        inner
            .seen
            .values_mut()
            .for_each(|seen| seen.is_replicated = false);
        for state in live.filter_map(|id| chitchat.node_state(id)) {
            for (key, value) in state.iter_prefix(DECISION_PREFIX) {
                let key = key.strip_prefix(DECISION_PREFIX).unwrap_or_default();
                let node_id = key.parse().ok();
                let seen = node_id.and_then(|node_id: u64| inner.seen.get_mut(&node_id));
                if let Some(seen) = seen {
                    seen.is_replicated |= seen.hash == self.hasher.hash_one(&value.value);
                }
            }
        }
    }

    /// Waits for values and takes them. The caller has worked on those that it took before. Cancel safe.
    pub(crate) async fn take(&self) -> Vec<(u64, String)> {
        loop {
            let pending = self.take_pending();
            if !pending.is_empty() {
                return pending;
            }
            self.filled.notified().await;
        }
    }

    fn take_pending(&self) -> Vec<(u64, String)> {
        let mut inner = self.lock();
        if std::mem::take(&mut inner.overflowed) {
            self.reread.notify_one();
        }
        inner.taken = inner.pending.len();
        std::mem::take(&mut inner.pending)
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

/// Returns the nodes about which other members carry decisions.
fn carried(chitchat: &Chitchat) -> HashSet<u64> {
    let own = chitchat.self_chitchat_id();
    let others = chitchat.node_states().iter().filter(|(id, _)| *id != own);
    let keys = others.flat_map(|(_, state)| state.iter_prefix(DECISION_PREFIX));
    keys.filter(|(_, value)| !value.value.is_empty())
        .filter_map(|(key, _)| key.strip_prefix(DECISION_PREFIX)?.parse().ok())
        .collect()
}
