//! Labels that made the component fail, so that it is not asked about them again.
//!
//! Kept by a digest of the node and its labels, over their coming and going. A failure that may be the
//! machine's, as a deadline that passed while the machine had too much to do, is forgiven after a while.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use edge_cache_gossip::PeerInfo;
use edge_cache_routing::NodeId;
use edge_cache_sandbox::Failure;

#[cfg(test)]
mod tests;

/// How many are kept; beyond it the oldest goes.
const KEPT_MAX: usize = 1_024;
/// When the component is asked once more after a deadline that passed.
const DEADLINE_FORGIVEN: Duration = Duration::from_secs(10 * 60);

#[derive(Debug, Default)]
pub(super) struct Quarantine {
    killers: HashMap<[u8; 32], Killer>,
}

#[derive(Debug)]
struct Killer {
    node_id: NodeId,
    since: Instant,
    /// `None` where asking again can't end otherwise.
    until: Option<Instant>,
}

impl Quarantine {
    /// Keeps labels that the component failed on. Answers when it may be asked again, if ever.
    pub(super) fn add(
        &mut self,
        info: &PeerInfo,
        failure: &Failure,
        now: Instant,
    ) -> Option<Instant> {
        if self.killers.len() >= KEPT_MAX
            && let Some(oldest) = self.oldest()
        {
            self.killers.remove(&oldest);
        }
        let until = matches!(failure, Failure::Deadline { .. })
            .then(|| now.checked_add(DEADLINE_FORGIVEN))
            .flatten();
        let killer = Killer {
            node_id: info.node_id,
            since: now,
            until,
        };
        self.killers.insert(digest(info), killer);
        until
    }

    /// Whether these labels are kept, and when that ends, if ever.
    pub(super) fn until(&self, info: &PeerInfo) -> Option<Option<Instant>> {
        // Nearly always empty, and then free.
        if self.killers.is_empty() {
            return None;
        }
        self.killers.get(&digest(info)).map(|killer| killer.until)
    }

    /// Whether any labels of a node are kept.
    pub(super) fn holds_any_of(&self, node_id: NodeId) -> bool {
        self.killers
            .values()
            .any(|killer| killer.node_id == node_id)
    }

    pub(super) fn forget_old(&mut self, now: Instant) {
        self.killers
            .retain(|_, killer| killer.until.is_none_or(|until| until > now));
    }

    fn oldest(&self) -> Option<[u8; 32]> {
        let oldest = self.killers.iter().min_by_key(|(_, killer)| killer.since);
        oldest.map(|(digest, _)| *digest)
    }
}

/// Of all that the component is told. Lengths keep apart what would read alike.
fn digest(info: &PeerInfo) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(info.node_id.to_le_bytes());
    for text in info.labels.iter().flat_map(|(key, value)| [key, value]) {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}
