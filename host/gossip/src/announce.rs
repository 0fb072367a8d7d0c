//! This node's own record: merging its parts, and publishing it.
//!
//! The record has two independent writers. Other software sets the base, which is all but the
//! plugin's labels, and the plugin sets its labels. Each replaces its own part, and the record is
//! merged again, so neither loses the other's part. A change is accepted or refused at once, without
//! waiting for the network. One task writes the accepted record into gossip.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use chitchat::Chitchat;
use tokio::sync::{Mutex, watch};
use tracing::debug;

use crate::error::GossipError;
use crate::info::{InfoError, NodeRecord};
use edge_cache_core::PeerInfo;

#[cfg(test)]
mod tests;

type Labels = BTreeMap<String, String>;

/// The callers' side: accepts changes and shows their state.
#[derive(Debug)]
pub(crate) struct OwnRecord {
    pending: watch::Sender<PendingRecord>,
    foreign: ArcSwap<Labels>,
    announced: Arc<ArcSwap<PeerInfo>>,
    written: watch::Receiver<u64>,
}

/// The task's side: writes the accepted record into gossip.
#[derive(Debug)]
pub(crate) struct Announcer {
    pending: watch::Receiver<PendingRecord>,
    announced: Arc<ArcSwap<PeerInfo>>,
    written: watch::Sender<u64>,
}

/// The number of an accepted change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Revision(u64);

/// The newest accepted record.
#[derive(Debug, Clone)]
struct PendingRecord {
    /// Counts accepted changes, so that a caller can wait for its own.
    revision: u64,
    content: RecordContent,
    merged: Arc<PeerInfo>,
    encoded: String,
}

/// The parts of the record, by writer.
#[derive(Debug, Clone)]
struct RecordContent {
    base: PeerInfo,
    plugin_labels: Labels,
    leaving: bool,
    policy: Option<String>,
}

impl OwnRecord {
    /// Creates the record as revision 0, which the member writes when it starts.
    pub(crate) fn new(
        base: PeerInfo,
        plugin_labels: Labels,
        policy: Option<String>,
    ) -> Result<(Self, Announcer), InfoError> {
        let foreign = ArcSwap::from_pointee(base.labels.clone());
        let content = RecordContent {
            base,
            plugin_labels,
            leaving: false,
            policy,
        };
        let first = PendingRecord::merge(0, content)?;
        let announced = Arc::new(ArcSwap::new(Arc::clone(&first.merged)));
        let (pending_sender, pending) = watch::channel(first);
        let (written, written_receiver) = watch::channel(0);
        let own = Self {
            pending: pending_sender,
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
    pub(crate) fn set_base(&self, base: PeerInfo) -> Result<Revision, GossipError> {
        self.change(|content| content.base = base)
    }

    /// Replaces the plugin's labels.
    pub(crate) fn set_labels(&self, labels: Labels) -> Result<Revision, GossipError> {
        self.change(|content| content.plugin_labels = labels)
    }

    /// Replaces the policy digest.
    pub(crate) fn set_policy(&self, policy: String) -> Result<Revision, GossipError> {
        self.change(|content| content.policy = Some(policy))
    }

    /// Marks the node as leaving, and removes all labels.
    pub(crate) fn set_leaving(&self) -> Result<Revision, GossipError> {
        self.change(|content| content.leaving = true)
    }

    /// Returns the newest accepted revision.
    pub(crate) fn newest(&self) -> Revision {
        Revision(self.pending.borrow().revision)
    }

    /// Waits until a revision, or a later one, is in gossip.
    pub(crate) async fn written(&self, Revision(revision): Revision) -> Result<(), GossipError> {
        let mut written = self.written.clone();
        match written.wait_for(|newest| *newest >= revision).await {
            Ok(_) => Ok(()),
            Err(_) => Err(GossipError::Stopped),
        }
    }

    /// Returns a receiver that changes whenever the announced record does.
    pub(crate) fn follow(&self) -> watch::Receiver<u64> {
        self.written.clone()
    }

    /// Returns whether the task that writes to gossip has ended.
    pub(crate) fn is_stopped(&self) -> bool {
        self.pending.is_closed()
    }

    /// Returns `true` once the node is marked as leaving.
    pub(crate) fn is_leaving(&self) -> bool {
        self.pending.borrow().content.leaving
    }

    /// Returns the policy digest.
    pub(crate) fn policy(&self) -> Option<String> {
        self.pending.borrow().content.policy.clone()
    }

    /// Returns the labels of other software, as accepted last.
    pub(crate) fn foreign(&self) -> Arc<Labels> {
        self.foreign.load_full()
    }

    /// Returns the record that is in gossip.
    pub(crate) fn announced(&self) -> Arc<PeerInfo> {
        self.announced.load_full()
    }

    /// Applies a change, serialised with all others. A refused change has no effect.
    fn change(&self, change: impl FnOnce(&mut RecordContent)) -> Result<Revision, GossipError> {
        if self.is_stopped() {
            return Err(GossipError::Stopped);
        }
        let mut result = Err(GossipError::Stopped);
        self.pending.send_if_modified(|pending| {
            let mut content = pending.content.clone();
            change(&mut content);
            match PendingRecord::merge(pending.revision.saturating_add(1), content) {
                Ok(accepted) => {
                    let labels = &accepted.content.base.labels;
                    if *labels != pending.content.base.labels {
                        self.foreign.store(Arc::new(labels.clone()));
                    }
                    result = Ok(Revision(accepted.revision));
                    *pending = accepted;
                    true
                }
                Err(error) => {
                    result = Err(error.into());
                    false
                }
            }
        });
        result
    }
}

impl Announcer {
    /// Returns the key and value to start the member with.
    pub(crate) fn first(&self) -> (String, String) {
        let pending = self.pending.borrow();
        (
            PeerInfo::key(pending.content.base.node_id),
            pending.encoded.clone(),
        )
    }

    /// Writes the newest record, and then each change. Several changes may become one write. Returns
    /// when all handles are gone.
    pub(crate) async fn run(&mut self, chitchat: &Mutex<Chitchat>) {
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
    /// Merges and encodes the record. Labels of other software override the plugin's, because other
    /// software does not know the plugin's keys.
    fn merge(revision: u64, content: RecordContent) -> Result<Self, InfoError> {
        let mut merged = content.base.clone();
        for (key, value) in &content.plugin_labels {
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
