//! Invalid records of other members: each is counted and logged once.
//!
//! An invalid record stays in the cluster's state until its member replaces it, and is read again
//! each time its member comes back. Reporting it once keeps the counter and the log meaningful.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

use chitchat::{ChitchatId, Version};
use edge_cache_core::PublishedStats;
use prometheus_client::metrics::counter::Counter;
use tracing::warn;

use crate::clock::LogLimit;
use crate::info::InfoError;

/// Maximum number of records remembered as reported. The oldest are forgotten first, and may then be
/// reported again.
const REMEMBERED_MAX: usize = 1024;

/// Maximum length of a peer-chosen name in the log, in characters.
const EXCERPT_CHARS_MAX: usize = 64;

/// A reason for ignoring a record or key of another member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadRecord {
    /// The record cannot be decoded. Its node is not listed.
    #[error(transparent)]
    Info(#[from] InfoError),
    /// The record describes another node than its member's. Its node is not listed.
    #[error("the node info is for node {claimed}")]
    OtherNode { claimed: u64 },
    /// The counters cannot be decoded. The node's former ones stay.
    #[error(
        "the counters are not the expected JSON of at most {} bytes",
        PublishedStats::BYTES_MAX
    )]
    Stats,
    /// The member wrote another node's key. The key is ignored.
    #[error("the member wrote {key:?}, which is not its own key")]
    ForeignKey { key: String },
}

/// Reports bad records and remembers which were reported.
#[derive(Debug)]
pub(crate) struct BadRecords {
    total: Counter,
    /// Hashes, because peers choose names of any length.
    remembered: HashSet<u64>,
    oldest_first: VecDeque<u64>,
    hasher: RandomState,
    log: LogLimit,
}

impl BadRecords {
    pub(crate) fn new(total: Counter) -> Self {
        Self {
            total,
            remembered: HashSet::new(),
            oldest_first: VecDeque::new(),
            hasher: RandomState::new(),
            log: LogLimit::default(),
        }
    }

    /// Reports a record, identified by its member and version, unless it was reported before.
    pub(crate) fn report(&mut self, member: &ChitchatId, version: Version, bad: &BadRecord) {
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
        self.total.inc();
        let Some(left_out) = self.log.pass() else {
            return;
        };
        warn!(
            left_out,
            member = %excerpt(&member.node_id).escape_debug(),
            address = %member.gossip_advertise_addr,
            generation = member.generation_id,
            version,
            reason = %bad,
            "ignored a bad gossip record"
        );
    }
}

/// Returns the beginning of a peer-chosen name.
pub(crate) fn excerpt(name: &str) -> String {
    name.chars().take(EXCERPT_CHARS_MAX).collect()
}
