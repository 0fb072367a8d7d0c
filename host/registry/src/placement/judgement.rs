//! The judgement of a member: its labels, and the candidacy that follows from them.

use std::sync::Arc;

use edge_cache_core::labels::{Labels, PEER_LABEL_BYTES_MAX, PEER_LABELS_MAX};
use edge_cache_gossip::PeerInfo;
use edge_cache_routing::Candidate;

#[cfg(test)]
mod tests;

/// A live member with its last judgement.
#[derive(Debug)]
pub(super) struct Judgement {
    /// The judged labels, with the rest of the member's info.
    pub(super) info: Arc<PeerInfo>,
    /// The candidate that keys may be routed to, if any.
    pub(super) candidate: Option<Candidate>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The candidate follows from the labels.
    Judged,
    /// The labels exceed the limits.
    Excessive,
    /// The plugin failed on the labels; the candidate is from earlier ones.
    Failed,
    /// The labels are not assessed yet; the candidate is from earlier ones.
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

    /// Returns the judgement of a member with too many labels: it is no candidate any more.
    pub(super) fn excessive(info: Arc<PeerInfo>) -> Self {
        Self {
            info,
            candidate: None,
            state: State::Excessive,
        }
    }

    /// Returns the judgement of a member on whose labels the plugin failed.
    pub(super) fn failed(info: Arc<PeerInfo>, before: Option<Self>) -> Self {
        Self {
            state: State::Failed,
            ..Self::open(info, before)
        }
    }

    /// Returns the judgement of a member while there is no instance to call.
    pub(super) fn open(info: Arc<PeerInfo>, before: Option<Self>) -> Self {
        Self {
            info,
            candidate: before.and_then(|before| before.candidate),
            state: State::Open,
        }
    }

    /// Marks the labels for another assessment.
    pub(super) fn reopen(&mut self) {
        self.state = State::Open;
    }

    /// Tells whether the labels are still to be assessed.
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Tells whether the candidate follows from the current labels.
    pub(super) fn is_judged(&self) -> bool {
        self.state == State::Judged
    }

    /// Tells whether a member with these labels needs no further assessment.
    pub(super) fn is_final_for(&self, info: &PeerInfo) -> bool {
        matches!(self.state, State::Judged | State::Excessive) && self.info.labels == info.labels
    }
}

/// Checks the number and the size of a member's labels.
pub(super) fn check_size(labels: &Labels) -> Result<(), String> {
    if labels.len() > PEER_LABELS_MAX {
        return Err(format!(
            "{} labels, more than {PEER_LABELS_MAX}",
            labels.len()
        ));
    }
    let bytes = labels
        .iter()
        .map(|(key, value)| key.len().saturating_add(value.len()))
        .fold(0, usize::saturating_add);
    if bytes > PEER_LABEL_BYTES_MAX {
        return Err(format!(
            "labels of {bytes} bytes, more than {PEER_LABEL_BYTES_MAX}"
        ));
    }
    Ok(())
}
