//! The state budget: limits the memory of all members' states together.
//!
//! chitchat stores whatever a delta says, and keeps it until the member is forgotten. The budget counts what deltas
//! add, and from time to time the member task measures what is really stored: a value may have
//! replaced another one, or its member may be unknown.
//!
//! Half of the limit is for everybody. Of the other half each member has an equal share, so that one
//! member cannot keep others from publishing.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chitchat::{Chitchat, Serializable};
use foldhash::quality::RandomState;
use tokio::sync::Notify;
use tokio::time;

use crate::drop_reason::DropReason;
use crate::metrics::GossipMetrics;

/// Memory that chitchat needs for a key with its value, besides their bytes.
const PAIR_BYTES: usize = 100;
/// Number of copies of a live member's state: chitchat publishes a second one.
const COPIES: usize = 2;
/// Minimum time between two measurements, which read all keys.
const MEASURE_PAUSE: Duration = Duration::from_secs(1);
/// Maximum time between two measurements.
const MEASURE_INTERVAL: Duration = Duration::from_secs(30);

/// The memory of the members' states.
#[derive(Debug)]
pub(crate) struct StateBudget {
    /// Half of the limit.
    half: usize,
    inner: Mutex<Inner>,
    /// Notified when a message did not fit.
    exceeded: Notify,
    /// Keyed with a secret of this process, so peers cannot provoke collisions.
    pub(super) hashes: RandomState,
}

/// The update of a member in a delta.
#[derive(Debug)]
pub(super) struct Update {
    /// Hash of the member.
    pub(super) member: u64,
    /// Place of the operation that names the member, among all operations.
    pub(super) head: Range<usize>,
    /// End of its last operation.
    pub(super) end: usize,
    /// Highest version of its operations.
    pub(super) max_version: u64,
    /// Memory that its values need.
    pub(super) cost: usize,
}

impl Update {
    /// Returns `true` if the update has no operation.
    pub(super) fn is_empty(&self) -> bool {
        self.end == self.head.end
    }
}

#[derive(Debug, Default)]
struct Inner {
    members: HashMap<u64, MemberState, foldhash::fast::RandomState>,
    /// Counted since the last measurement, with its result.
    total: usize,
    measured: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct MemberState {
    bytes: usize,
    max_version: u64,
}

impl StateBudget {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            half: limit / 2,
            inner: Mutex::default(),
            exceeded: Notify::new(),
            hashes: RandomState::default(),
        }
    }

    /// Returns the memory of a key with its value.
    pub(super) fn cost(key_bytes: usize, value_bytes: usize) -> usize {
        key_bytes
            .saturating_add(value_bytes)
            .saturating_add(PAIR_BYTES)
            .saturating_mul(COPIES)
    }

    /// Counts the updates of a message. Returns which of them must not be stored, in their order.
    ///
    /// # Errors
    ///
    /// [`DropReason::StateFull`] if one does not fit by what was counted, but may by what is really stored. Nothing was
    /// counted then.
    pub(super) fn admit(&self, updates: &[Update]) -> Result<Vec<bool>, DropReason> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let share = self
            .half
            .checked_div(inner.members.len())
            .unwrap_or(self.half);
        let mut total = inner.total;
        let mut admitted = Vec::with_capacity(updates.len());
        let mut refused = Vec::with_capacity(updates.len());
        for update in updates {
            let mut state = inner
                .members
                .get(&update.member)
                .copied()
                .unwrap_or_default();
            // chitchat ignores what it knows.
            let is_new = update.max_version > state.max_version;
            let cost = if is_new { update.cost } else { 0 };
            let bytes = state.bytes.saturating_add(cost);
            let fits = bytes <= share || total.saturating_add(cost) <= self.half;
            if fits {
                total = total.saturating_add(cost);
                state.bytes = bytes;
            } else {
                self.exceeded.notify_one();
                if inner.measured.saturating_add(cost) <= self.half {
                    return Err(DropReason::StateFull);
                }
            }
            state.max_version = state.max_version.max(update.max_version);
            admitted.push((update.member, state));
            refused.push(!fits);
        }
        inner.members.extend(admitted);
        inner.total = total;
        Ok(refused)
    }

    /// Measures what is stored, after a message did not fit and from time to time. Never returns.
    pub(crate) async fn run(
        &self,
        chitchat: &tokio::sync::Mutex<Chitchat>,
        metrics: &GossipMetrics,
    ) {
        loop {
            self.measure(&*chitchat.lock().await);
            metrics.set_state_bytes(self.total());
            time::sleep(MEASURE_PAUSE).await;
            // An elapsed time is the other reason to measure.
            let _ = time::timeout(MEASURE_INTERVAL, self.exceeded.notified()).await;
        }
    }

    /// Returns the newest version of a member that was counted, or 0.
    pub(super) fn version(&self, member: u64) -> u64 {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner
            .members
            .get(&member)
            .map_or(0, |state| state.max_version)
    }

    /// Returns the memory of all states, as counted.
    pub(super) fn total(&self) -> usize {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.total
    }

    pub(super) fn measure(&self, chitchat: &Chitchat) {
        let mut measured = Inner::default();
        for (id, state) in chitchat.node_states() {
            let bytes = state
                .key_values_including_deleted()
                .map(|(key, value)| Self::cost(key.len(), value.value.len()))
                .fold(0, usize::saturating_add);
            let max_version = state.max_version();
            let id = self.hashes.hash_one(id.serialize_to_vec().as_slice());
            measured
                .members
                .insert(id, MemberState { bytes, max_version });
            measured.total = measured.total.saturating_add(bytes);
        }
        measured.measured = measured.total;
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        *inner = measured;
    }
}
