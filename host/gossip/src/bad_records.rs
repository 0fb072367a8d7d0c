//! Records that cannot be taken: counted and logged, each once.
//!
//! A bad record stays in the cluster's state until its node replaces it, and is met again whenever
//! its node comes back. Counting and logging it once keeps both the counter and the log readable.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chitchat::{ChitchatId, Version};
use tracing::warn;

use super::InfoError;

/// How many records are remembered as reported. Past that the oldest are forgotten, and would be
/// reported again.
const REMEMBERED_MAX: usize = 1024;

/// How much of a name that a peer has chosen goes into the log.
const EXCERPT_CHARS_MAX: usize = 64;

/// What is wrong with a record. The member that published it is not listed because of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadRecord {
    #[error(transparent)]
    Info(#[from] InfoError),
    #[error("the node info speaks for node {claimed}")]
    OtherNode { claimed: u64 },
    #[error("the member published it under {key:?}, which is not its own key")]
    OthersKey { key: String },
}

/// Counter and memory of the bad records that were met.
#[derive(Debug)]
pub(super) struct BadRecords {
    total: Arc<AtomicU64>,
    /// Hashes, since the names of members are as long as peers like.
    remembered: HashSet<u64>,
    oldest_first: VecDeque<u64>,
    hasher: RandomState,
}

impl BadRecords {
    pub(super) fn new(total: Arc<AtomicU64>) -> Self {
        Self {
            total,
            remembered: HashSet::new(),
            oldest_first: VecDeque::new(),
            hasher: RandomState::new(),
        }
    }

    /// Reports a record, which its member and version tell from all others.
    pub(super) fn report(&mut self, member: &ChitchatId, version: Version, bad: &BadRecord) {
        let record = self.hasher.hash_one((member, version));
        if !self.remembered.insert(record) {
            return;
        }
        self.oldest_first.push_back(record);
        if self.oldest_first.len() > REMEMBERED_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.remembered.remove(&oldest);
        }
        self.total.fetch_add(1, Ordering::Relaxed);
        warn!(
            member = %excerpt(&member.node_id).escape_debug(),
            address = %member.gossip_advertise_addr,
            generation = member.generation_id,
            version,
            reason = %bad,
            "ignored a bad gossip record"
        );
    }
}

/// The beginning of a name that a peer has chosen.
pub(super) fn excerpt(name: &str) -> String {
    name.chars().take(EXCERPT_CHARS_MAX).collect()
}
