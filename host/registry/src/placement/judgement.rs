//! What is known of a member: its labels, and what the component made of them.

use std::sync::Arc;

use edge_cache_core::labels::Labels;
use edge_cache_gossip::PeerInfo;
use edge_cache_routing::Candidate;

#[cfg(test)]
mod tests;
use edge_cache_core::labels::{PEER_LABEL_BYTES_MAX, PEER_LABELS_MAX};

/// A live member as it was judged last.
#[derive(Debug)]
pub(super) struct Judgement {
    /// The labels in question, with the rest of the member's info.
    pub(super) info: Arc<PeerInfo>,
    /// Where keys may go, if anywhere.
    pub(super) candidate: Option<Candidate>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The candidate follows from the labels.
    Judged,
    /// The labels are over the limits.
    Excessive,
    /// The component failed on them; the candidate is that of earlier ones.
    Failed,
    /// There was no instance to ask; the candidate is that of earlier ones.
    Open,
}

impl Judgement {
    pub(super) fn judged(info: Arc<PeerInfo>, candidate: Option<Candidate>) -> Self {
        Self {
            info,
            candidate,
            state: State::Judged,
        }
    }

    /// A member whose labels are too many is no candidate, whatever it was.
    pub(super) fn excessive(info: Arc<PeerInfo>) -> Self {
        Self {
            info,
            candidate: None,
            state: State::Excessive,
        }
    }

    pub(super) fn failed(info: Arc<PeerInfo>, before: Option<Self>) -> Self {
        Self {
            info,
            candidate: before.and_then(|before| before.candidate),
            state: State::Failed,
        }
    }

    pub(super) fn open(info: Arc<PeerInfo>, before: Option<Self>) -> Self {
        Self {
            info,
            candidate: before.and_then(|before| before.candidate),
            state: State::Open,
        }
    }

    /// The labels are to be judged once more.
    pub(super) fn reopen(&mut self) {
        self.state = State::Open;
    }

    /// Whether the candidate follows from the present labels.
    pub(super) fn is_judged(&self) -> bool {
        self.state == State::Judged
    }

    /// Whether there is nothing more to find out about a member that shows these labels.
    pub(super) fn is_settled_for(&self, info: &PeerInfo) -> bool {
        matches!(self.state, State::Judged | State::Excessive) && self.info.labels == info.labels
    }
}

/// Refuses labels that are over the limits, in words.
pub(super) fn check_size(labels: &Labels) -> Result<(), String> {
    if labels.len() > PEER_LABELS_MAX {
        let count = labels.len();
        return Err(format!("{count} labels, more than {PEER_LABELS_MAX}"));
    }
    let pairs = labels.iter();
    let bytes = pairs
        .map(|(key, value)| key.len().saturating_add(value.len()))
        .fold(0, usize::saturating_add);
    if bytes > PEER_LABEL_BYTES_MAX {
        return Err(format!(
            "labels of {bytes} bytes, more than {PEER_LABEL_BYTES_MAX}"
        ));
    }
    Ok(())
}
