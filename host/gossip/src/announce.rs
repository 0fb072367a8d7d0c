//! This node's own record: merging its parts, and publishing it.
//!
//! The record has two independent writers. Other software sets the base, which is all but the
//! plugin's labels, and the plugin sets its labels. Each replaces its own part, and the record is
//! merged again, so neither loses the other's part. A change is accepted or refused at once, without
//! waiting for the network. One task writes the accepted record into gossip.

use std::collections::BTreeMap;
use std::sync::Arc;

use chitchat::Chitchat;
use tokio::sync::{Mutex, watch};
use tracing::debug;

use crate::error::GossipError;
use crate::info::{InfoError, NodeRecord};
use edge_cache_core::{AgentInfo, PeerInfo};

#[cfg(test)]
mod tests;

type Labels = BTreeMap<String, String>;

/// The callers' side: accepts changes and shows their state.
#[derive(Debug)]
pub(crate) struct OwnRecord {
    pending: watch::Sender<Arc<Record>>,
    /// The record that is in gossip. Without what follows from decisions while it is withheld.
    pub(crate) announced: watch::Receiver<Arc<Record>>,
}

/// The task's side: writes the accepted record into gossip.
#[derive(Debug)]
pub(crate) struct Announcer {
    pending: watch::Receiver<Arc<Record>>,
    announced: watch::Sender<Arc<Record>>,
    /// `true` while this member publishes its record.
    holds: watch::Receiver<bool>,
}

#[derive(Debug)]
pub(crate) struct Record {
    /// Counts accepted changes, so that a caller can wait for its own.
    revision: u64,
    pub(crate) content: RecordContent,
    /// Info with the labels of both writers.
    pub(crate) merged: Arc<PeerInfo>,
    encoded: String,
}

/// The parts of the record, by writer.
#[derive(Debug, Clone)]
pub(crate) struct RecordContent {
    /// Labels of other software, and all but labels.
    pub(crate) base: PeerInfo,
    pub(crate) plugin_labels: Labels,
    /// Marks the node as leaving, and removes all labels.
    pub(crate) leaving: bool,
    pub(crate) policy: Option<String>,
    /// State of the decision about the node. Written only with a policy, which marks an agent.
    pub(crate) agent: AgentInfo,
}

impl OwnRecord {
    /// Creates the record as revision 0, which the member writes when it starts.
    pub(crate) fn new(
        content: RecordContent,
        holds: watch::Receiver<bool>,
    ) -> Result<(Self, Announcer), InfoError> {
        let first = Arc::new(Record::merge(0, content)?);
        let shown = first.shown(*holds.borrow());
        let (announced_sender, announced) = watch::channel(shown);
        let (pending_sender, pending) = watch::channel(first);
        let own = Self {
            pending: pending_sender,
            announced,
        };
        let announcer = Announcer {
            pending,
            announced: announced_sender,
            holds,
        };
        Ok((own, announcer))
    }

    /// Returns the newest accepted revision.
    pub(crate) fn newest(&self) -> u64 {
        self.pending.borrow().revision
    }

    /// Returns the parts of the record, as accepted last.
    pub(crate) fn content(&self) -> RecordContent {
        self.pending.borrow().content.clone()
    }

    /// Waits until a revision, or a later one, is in gossip or withheld.
    pub(crate) async fn written(&self, revision: u64) -> Result<(), GossipError> {
        let mut announced = self.announced.clone();
        let written = announced.wait_for(|newest| newest.revision >= revision);
        written.await.map(|_| ()).map_err(|_| GossipError::Stopped)
    }

    /// Returns whether the task that writes to gossip has ended.
    pub(crate) fn is_stopped(&self) -> bool {
        self.pending.is_closed()
    }

    /// Applies a change, serialised with all others, and returns its revision. A refused change has no effect.
    pub(crate) fn change(
        &self,
        change: impl FnOnce(&mut RecordContent),
    ) -> Result<u64, GossipError> {
        if self.is_stopped() {
            return Err(GossipError::Stopped);
        }
        let mut result = Err(GossipError::Stopped);
        self.pending.send_if_modified(|pending| {
            let mut content = pending.content.clone();
            change(&mut content);
            match Record::merge(pending.revision.saturating_add(1), content) {
                Ok(accepted) => {
                    result = Ok(accepted.revision);
                    *pending = Arc::new(accepted);
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
    /// Returns the key and value to start the member with, if it publishes its record.
    pub(crate) fn first(&self) -> Option<(String, String)> {
        let pending = self.pending.borrow();
        let key = PeerInfo::key(pending.content.base.node_id);
        self.holds.borrow().then(|| (key, pending.encoded.clone()))
    }

    /// Writes the newest record, and then each change. Several changes may become one write. While
    /// another member has the node's id, the record is empty. Returns when all handles are gone.
    pub(crate) async fn run(&mut self, state: &Mutex<Chitchat>) {
        loop {
            let pending = Arc::clone(&self.pending.borrow_and_update());
            let holds = *self.holds.borrow_and_update();
            let key = PeerInfo::key(pending.merged.node_id);
            let mut chitchat = state.lock().await;
            let own = chitchat.self_node_state();
            if holds || pending.content.leaving {
                own.set(key, pending.encoded.clone());
            } else if own.contains_key(&key) {
                own.set(key, "");
            }
            drop(chitchat);
            debug!(
                revision = pending.revision,
                labels = pending.merged.labels.len(),
                "announced node info"
            );
            // There is no await since the write, so the topology, which runs in the same task, sees both.
            self.announced.send_replace(pending.shown(holds));
            let changed = tokio::select! {
                changed = self.pending.changed() => changed,
                changed = self.holds.changed() => changed,
            };
            if changed.is_err() {
                return;
            }
        }
    }
}

impl Record {
    /// Returns the record as callers see it. One that is withheld has neither the plugin's labels nor the state of
    /// the decision.
    fn shown(self: &Arc<Self>, holds: bool) -> Arc<Self> {
        if holds || self.content.leaving {
            return Arc::clone(self);
        }
        let mut merged = PeerInfo::clone(&self.merged);
        merged.labels.clone_from(&self.content.base.labels);
        merged.agent = merged.agent.map(|agent| AgentInfo {
            api: agent.api,
            version: agent.version,
            ..AgentInfo::default()
        });
        Arc::new(Self {
            revision: self.revision,
            content: self.content.clone(),
            merged: Arc::new(merged),
            encoded: String::new(),
        })
    }

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
        let mut agent = content.agent.clone();
        let own = content.base.agent.as_ref();
        agent.api = own.and_then(|own| own.api.clone());
        agent.version = own.and_then(|own| own.version.clone());
        if content.leaving {
            merged.labels.clear();
            agent.follows = None;
        }
        merged.agent = content.policy.is_some().then_some(agent);
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
