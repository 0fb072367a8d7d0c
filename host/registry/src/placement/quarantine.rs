//! Labels that made the plugin fail; they are not assessed again.
//!
//! Kept by a digest of the node and its labels, also after they changed and came back. A deadline that passed may be the
//! fault of a busy machine, so it is forgiven after a while.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use edge_cache_gossip::PeerInfo;
use edge_cache_routing::NodeId;
use edge_cache_sandbox::Failure;

#[cfg(test)]
mod tests;

/// The largest number kept; the oldest goes first.
const KEPT_MAX: usize = 1_024;
/// The quarantine of labels whose assessment exceeded the deadline.
const DEADLINE_FORGIVEN: Duration = Duration::from_secs(10 * 60);

/// The labels that made the plugin fail.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    failing: HashMap<[u8; 32], FailingLabels>,
}

#[derive(Debug)]
struct FailingLabels {
    node_id: NodeId,
    since: Instant,
    /// `None` if another assessment would fail again.
    until: Option<Instant>,
}

impl Quarantine {
    /// Adds labels that the plugin failed on. Returns when they may be assessed again, if ever.
    pub(super) fn add(
        &mut self,
        info: &PeerInfo,
        failure: &Failure,
        now: Instant,
    ) -> Option<Instant> {
        if self.failing.len() >= KEPT_MAX
            && let Some(oldest) = self.oldest()
        {
            self.failing.remove(&oldest);
        }
        let until = (failure.kind() == "deadline")
            .then(|| now.checked_add(DEADLINE_FORGIVEN))
            .flatten();
        let failing = FailingLabels {
            node_id: info.node_id,
            since: now,
            until,
        };
        self.failing.insert(digest(info), failing);
        until
    }

    /// Returns `Some` if the labels are quarantined, with the end of the quarantine, if it ends.
    pub(super) fn until(&self, info: &PeerInfo) -> Option<Option<Instant>> {
        // Nearly always empty: then no digest is computed.
        if self.failing.is_empty() {
            return None;
        }
        self.failing.get(&digest(info)).map(|failing| failing.until)
    }

    /// Tells whether any labels of a node are quarantined.
    pub(super) fn holds_any_of(&self, node_id: NodeId) -> bool {
        self.failing
            .values()
            .any(|failing| failing.node_id == node_id)
    }

    /// Drops the labels whose quarantine is over.
    pub(super) fn forget_old(&mut self, now: Instant) {
        self.failing
            .retain(|_, failing| failing.until.is_none_or(|until| until > now));
    }

    fn oldest(&self) -> Option<[u8; 32]> {
        let oldest = self.failing.iter().min_by_key(|(_, failing)| failing.since);
        oldest.map(|(digest, _)| *digest)
    }
}

/// Returns the digest of everything that the plugin is given. Lengths keep keys and values apart.
fn digest(info: &PeerInfo) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(info.node_id.to_le_bytes());
    for text in info.labels.iter().flat_map(|(key, value)| [key, value]) {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}
