//! This node's own record: what it is to say, and what it says.
//!
//! The record has two writers that know nothing of each other: other software sets the base, which
//! is everything but the component's labels, and the component sets its labels. Each replaces its
//! own part, and the record is merged anew, so neither can lose the other's. A wish is accepted or
//! refused at once and never waits for the network; one task writes what was accepted into gossip.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use chitchat::Chitchat;
use tokio::sync::{Mutex, watch};
use tracing::debug;

use super::info::NodeRecord;
use super::{GossipError, InfoError, PeerInfo};

#[cfg(test)]
mod tests;

/// Labels by key.
type Labels = BTreeMap<String, String>;

/// The side of the callers: takes wishes and shows what became of them.
#[derive(Debug)]
pub(super) struct OwnRecord {
    pending: watch::Sender<PendingRecord>,
    foreign: ArcSwap<Labels>,
    announced: Arc<ArcSwap<PeerInfo>>,
    written: watch::Receiver<u64>,
}

/// The side of the task: writes into gossip what is pending.
#[derive(Debug)]
pub(super) struct Announcer {
    pending: watch::Receiver<PendingRecord>,
    announced: Arc<ArcSwap<PeerInfo>>,
    written: watch::Sender<u64>,
}

/// The newest accepted wish.
#[derive(Debug, Clone)]
struct PendingRecord {
    /// Counts the wishes, so that a caller can tell when its own, or a later one, was written.
    revision: u64,
    content: RecordContent,
    merged: Arc<PeerInfo>,
    encoded: String,
}

/// All that is to be content, by whom it comes from.
#[derive(Debug, Clone)]
struct RecordContent {
    base: PeerInfo,
    component: Labels,
    leaving: bool,
    policy: Option<String>,
}

impl OwnRecord {
    /// Starts with a base, the labels of the component and what is to be content of it. The first record is revision 0; the member
    /// writes it as it starts.
    pub(super) fn new(
        base: PeerInfo,
        component: Labels,
        policy: Option<String>,
    ) -> Result<(Self, Announcer), InfoError> {
        let foreign = ArcSwap::from_pointee(base.labels.clone());
        let content = RecordContent {
            base,
            component,
            leaving: false,
            policy,
        };
        let first = PendingRecord::merge(0, content)?;
        let announced = Arc::new(ArcSwap::new(Arc::clone(&first.merged)));
        let (wanted_sender, pending) = watch::channel(first);
        let (written, written_receiver) = watch::channel(0);
        let own = Self {
            pending: wanted_sender,
            foreign,
            announced: Arc::clone(&announced),
            written: written_receiver,
        };
        let announcer = Announcer {
            pending,
            announced,
            written,
        };
        Ok((own, announcer))
    }

    /// Replaces the base.
    pub(super) fn set_base(&self, base: PeerInfo) -> Result<Revision, GossipError> {
        self.change(|content| content.base = base)
    }

    /// Replaces the component's labels.
    pub(super) fn set_labels(&self, labels: Labels) -> Result<Revision, GossipError> {
        self.change(|content| content.component = labels)
    }

    /// Says what decides about labels from now on.
    pub(super) fn set_policy(&self, policy: String) -> Result<Revision, GossipError> {
        self.change(|content| content.policy = Some(policy))
    }

    /// Says that this node is about to stop: the record has no labels from now on.
    pub(super) fn set_leaving(&self) -> Result<Revision, GossipError> {
        self.change(|content| content.leaving = true)
    }

    /// The newest accepted wish.
    pub(super) fn newest(&self) -> Revision {
        Revision(self.pending.borrow().revision)
    }

    /// Waits until a wish, or a later one, is in gossip.
    pub(super) async fn written(&self, Revision(revision): Revision) -> Result<(), GossipError> {
        let mut written = self.written.clone();
        match written.wait_for(|newest| *newest >= revision).await {
            Ok(_) => Ok(()),
            Err(_) => Err(GossipError::Stopped),
        }
    }

    /// Changes whenever what is announced has.
    pub(super) fn follow(&self) -> watch::Receiver<u64> {
        self.written.clone()
    }

    /// Whether the node is to leave, and what decides about labels on it.
    pub(super) fn says(&self) -> (bool, Option<String>) {
        let pending = self.pending.borrow();
        (pending.content.leaving, pending.content.policy.clone())
    }

    pub(super) fn foreign(&self) -> Arc<Labels> {
        self.foreign.load_full()
    }

    pub(super) fn announced(&self) -> Arc<PeerInfo> {
        self.announced.load_full()
    }

    /// Decides on a wish while no other can be decided on. Rejection, it leaves everything as it was.
    fn change(&self, change: impl FnOnce(&mut RecordContent)) -> Result<Revision, GossipError> {
        if self.pending.is_closed() {
            return Err(GossipError::Stopped);
        }
        let mut outcome = Err(GossipError::Stopped);
        self.pending.send_if_modified(|pending| {
            let mut content = pending.content.clone();
            change(&mut content);
            match PendingRecord::merge(pending.revision.saturating_add(1), content) {
                Ok(accepted) => {
                    if accepted.content.base.labels != pending.content.base.labels {
                        self.foreign
                            .store(Arc::new(accepted.content.base.labels.clone()));
                    }
                    outcome = Ok(Revision(accepted.revision));
                    *pending = accepted;
                    true
                }
                Err(error) => {
                    outcome = Err(error.into());
                    false
                }
            }
        });
        outcome
    }
}

/// The place of a wish among all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Revision(u64);

impl Announcer {
    /// The record to start the member with.
    pub(super) fn first(&self) -> (String, String) {
        let pending = self.pending.borrow();
        (
            PeerInfo::key(pending.content.base.node_id),
            pending.encoded.clone(),
        )
    }

    /// Writes the newest wish, and then every other, or only the newest of several. Ends when there
    /// can be no more of them.
    pub(super) async fn run(&mut self, chitchat: &Mutex<Chitchat>) {
        loop {
            let PendingRecord {
                revision,
                merged,
                encoded,
                ..
            } = self.pending.borrow_and_update().clone();
            let key = PeerInfo::key(merged.node_id);
            chitchat.lock().await.self_node_state().set(key, encoded);
            debug!(
                revision,
                labels = merged.labels.len(),
                "announced node info"
            );
            self.announced.store(merged);
            self.written.send_replace(revision);
            if self.pending.changed().await.is_err() {
                return;
            }
        }
    }
}

impl PendingRecord {
    /// Other software's labels win: it does not ask whether the component uses the same key.
    fn merge(revision: u64, content: RecordContent) -> Result<Self, InfoError> {
        let mut merged = content.base.clone();
        for (key, value) in &content.component {
            merged
                .labels
                .entry(key.clone())
                .or_insert_with(|| value.clone());
        }
        if content.leaving {
            merged.labels.clear();
        }
        let record = NodeRecord {
            info: merged,
            leaving: content.leaving,
            policy: content.policy.clone(),
        };
        let encoded = record.encode()?;
        Ok(Self {
            revision,
            content,
            merged: Arc::new(record.info),
            encoded,
        })
    }
}
