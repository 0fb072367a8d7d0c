//! The state budget: limits the memory of all members' states together.
//!
//! chitchat stores whatever a delta says, and keeps it until the member is forgotten. The budget counts all values of
//! deltas in full, and from time to time the member task measures what is really stored: a value may have replaced
//! another one, or be known already.
//!
//! Half of the limit is for everybody, and one member may take seven eighths of it. The other half
//! is divided into a small reserve for each member, so that others cannot keep it from publishing.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chitchat::{Chitchat, NodeState, Serializable};
use foldhash::quality::RandomState;
use tokio::sync::Notify;
use tokio::time;

use super::digest::DigestMember;
use super::protocol::MEMBERS_MAX;
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
/// Part of half the limit that is counted before the next measurement: values that came again are not to fill it.
const UNMEASURED_PART: usize = 8;

/// The memory of the members' states.
#[derive(Debug)]
pub(crate) struct StateBudget {
    /// Half of the limit.
    half: usize,
    inner: Mutex<Inner>,
    /// Versions of the members in the first digest that named each. At most [`MEMBERS_MAX`].
    first: Mutex<HashMap<u64, u64, foldhash::fast::RandomState>>,
    /// Notified when much was counted, a message did not fit, or it named a member that was not measured.
    pub(super) outdated: Notify,
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
    /// The members of the last measurement.
    members: HashMap<u64, MemberState, foldhash::fast::RandomState>,
    /// All other members together, which may be invented.
    others: MemberState,
    /// All members together.
    total: MemberState,
}

#[derive(Debug, Clone, Copy, Default)]
struct MemberState {
    /// Memory as last measured.
    measured: usize,
    /// Memory counted since then, with the measured one.
    bytes: usize,
    /// Newest version that was named.
    max_version: u64,
}

impl StateBudget {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            half: limit / 2,
            inner: Mutex::default(),
            first: Mutex::default(),
            outdated: Notify::new(),
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

    /// Notes the versions of members that no digest has named before.
    pub(super) fn note_first(&self, members: &[DigestMember]) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        for member in members {
            if first.len() < MEMBERS_MAX {
                first.entry(member.hash).or_insert(member.max_version);
            }
        }
    }

    /// Returns `true` if a member's state has reached the version that was first heard of.
    pub(crate) fn has_arrived(&self, state: &NodeState) -> bool {
        let id = state.chitchat_id().serialize_to_vec();
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let first = first.get(&self.hashes.hash_one(id.as_slice()));
        first.is_none_or(|version| state.max_version() >= *version)
    }

    /// Counts the updates of a message. Returns which of them must not be stored, in their order.
    ///
    /// # Errors
    ///
    /// [`DropReason::StateFull`] if one does not fit by what was counted, but may after the next measurement.
    pub(super) fn admit(&self, updates: &[Update]) -> Result<Vec<bool>, DropReason> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner {
            members,
            others,
            total,
        } = &mut *inner;
        let mut refused = Vec::with_capacity(updates.len());
        for update in updates {
            let member = members.get_mut(&update.member);
            let is_measured = member.is_some();
            let state = member.unwrap_or(others);
            let fits = self.fits(
                state.bytes.saturating_add(update.cost),
                total.bytes.saturating_add(update.cost),
            );
            if fits {
                state.bytes = state.bytes.saturating_add(update.cost);
                total.bytes = total.bytes.saturating_add(update.cost);
            }
            let unmeasured = total.bytes.saturating_sub(total.measured);
            if !fits || !is_measured || unmeasured > self.half / UNMEASURED_PART {
                self.outdated.notify_one();
            }
            let may_fit = !is_measured
                || self.fits(
                    state.measured.saturating_add(update.cost),
                    total.measured.saturating_add(update.cost),
                );
            if !fits && may_fit {
                return Err(DropReason::StateFull);
            }
            state.max_version = state.max_version.max(update.max_version);
            refused.push(!fits);
        }
        Ok(refused)
    }

    /// Returns `true` if a member may take this memory when all together take `total`.
    fn fits(&self, bytes: usize, total: usize) -> bool {
        let reserve = self.half / MEMBERS_MAX;
        let is_in_common = total <= self.half && bytes <= self.half.div_euclid(8).saturating_mul(7);
        is_in_common || (bytes <= reserve && total <= self.half.saturating_mul(2))
    }

    /// Measures what is stored, when the last measurement is outdated and from time to time. Never returns.
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
            let _ = time::timeout(MEASURE_INTERVAL, self.outdated.notified()).await;
        }
    }

    /// Returns `true` if chitchat knew the member at the last measurement.
    pub(super) fn has_measured(&self, member: u64) -> bool {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.members.contains_key(&member)
    }

    /// Returns the newest version of a measured member that was named, or 0.
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
        inner.total.bytes
    }

    /// Returns the number of members whose memory is remembered.
    #[cfg(test)]
    pub(super) fn members(&self) -> usize {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.members.len()
    }

    pub(super) fn measure(&self, chitchat: &Chitchat) {
        let mut measured = Inner::default();
        for (id, state) in chitchat.node_states() {
            let bytes = state
                .key_values_including_deleted()
                .map(|(key, value)| Self::cost(key.len(), value.value.len()))
                .fold(0, usize::saturating_add);
            let member = MemberState {
                measured: bytes,
                bytes,
                max_version: state.max_version(),
            };
            let id = self.hashes.hash_one(id.serialize_to_vec().as_slice());
            measured.members.insert(id, member);
            measured.total.bytes = measured.total.bytes.saturating_add(bytes);
        }
        measured.total.measured = measured.total.bytes;
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        *inner = measured;
    }
}
