//! Where the labels of a node go: into gossip, or nowhere.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio::sync::watch;

use crate::decision::Decision;
use crate::gossip::{GossipPool, PeerInfo};
use crate::labels::Labels;
use crate::types::NodeId;

/// Wakes a thread, once for all that happened since it last looked.
#[derive(Debug)]
pub(crate) struct Wake(SyncSender<()>);

impl Wake {
    /// What wakes whoever receives from a channel with room for one.
    pub(crate) fn new(sender: SyncSender<()>) -> Self {
        Self(sender)
    }

    pub(crate) fn wake(&self) {
        // A full channel has it woken already, a closed one has nobody to wake.
        let _ = self.0.try_send(());
    }
}

/// The place where the registry's labels are shown. None of its functions blocks.
#[async_trait]
pub(crate) trait Advertiser: fmt::Debug + Send + Sync {
    /// The agent's own node, the only one whose labels it may show.
    fn node_id(&self) -> Option<NodeId>;

    /// The labels that other software has set on the own node.
    fn foreign_labels(&self) -> Arc<Labels>;

    /// Makes `labels` the complete set of the component's labels on the own node.
    fn announce(&self, labels: Labels);

    /// Says what decides about labels on the own node from now on.
    fn set_policy(&self, policy: String);

    /// Whether another agent has taken over a decision.
    fn is_shared(&self, decision: &Decision) -> bool;

    /// All labels that a live node shows at present, as far as is known here.
    fn shown(&self, node_id: NodeId) -> Option<Labels>;

    /// The infos of all live members that are known, the own node's among them.
    fn live(&self) -> BTreeMap<NodeId, Arc<PeerInfo>>;

    /// Wakes at once, and whenever [`live`](Self::live) answers something else. Ends when nothing can change
    /// any more.
    async fn follow(&self, wake: &Wake);
}

#[async_trait]
impl Advertiser for GossipPool {
    fn node_id(&self) -> Option<NodeId> {
        Some(self.node_id())
    }

    fn foreign_labels(&self) -> Arc<Labels> {
        self.foreign_labels()
    }

    fn announce(&self, labels: Labels) {
        // The size was checked when the component published, and a stopped pool has nobody to tell.
        if let Err(error) = self.publish_labels(labels) {
            tracing::warn!(%error, "labels are not announced");
        }
    }

    fn set_policy(&self, policy: String) {
        if let Err(error) = self.set_policy(policy) {
            tracing::warn!(%error, "the component's digest is not announced");
        }
    }

    fn is_shared(&self, decision: &Decision) -> bool {
        self.is_shared(decision.node_id, &decision.encode())
    }

    fn shown(&self, node_id: NodeId) -> Option<Labels> {
        if node_id == self.node_id() {
            return Some(self.self_info().labels.clone());
        }
        self.snapshot().get(node_id).map(|peer| peer.labels.clone())
    }

    fn live(&self) -> BTreeMap<NodeId, Arc<PeerInfo>> {
        let peers = self.snapshot();
        let infos = peers.iter().cloned().chain([self.self_info()]);
        infos.map(|info| (info.node_id, info)).collect()
    }

    async fn follow(&self, wake: &Wake) {
        self.on_change(|| wake.wake()).await;
    }
}

/// The only member of its cluster: its labels are its own peer record and travel nowhere.
#[derive(Debug)]
pub(crate) struct Standalone {
    /// `None` for a registry that has no node of its own.
    info: Option<PeerInfo>,
    foreign: Arc<Labels>,
    shown: ArcSwap<Labels>,
    changed: watch::Sender<()>,
}

impl Standalone {
    /// A node on its own; without an info, a registry that has no node of its own.
    pub(crate) fn new(info: Option<PeerInfo>) -> Self {
        let foreign = info.as_ref().map(|info| info.labels.clone());
        let foreign = Arc::new(foreign.unwrap_or_default());
        Self {
            info,
            shown: ArcSwap::new(foreign.clone()),
            foreign,
            changed: watch::Sender::default(),
        }
    }
}

#[async_trait]
impl Advertiser for Standalone {
    fn node_id(&self) -> Option<NodeId> {
        self.info.as_ref().map(|info| info.node_id)
    }

    fn foreign_labels(&self) -> Arc<Labels> {
        self.foreign.clone()
    }

    fn announce(&self, mut labels: Labels) {
        labels.extend((*self.foreign).clone());
        self.shown.store(Arc::new(labels));
        self.changed.send_replace(());
    }

    fn set_policy(&self, _: String) {}

    fn is_shared(&self, _: &Decision) -> bool {
        false
    }

    fn shown(&self, node_id: NodeId) -> Option<Labels> {
        (self.node_id() == Some(node_id)).then(|| Labels::clone(&self.shown.load()))
    }

    fn live(&self) -> BTreeMap<NodeId, Arc<PeerInfo>> {
        let info = self.info.clone().map(|info| PeerInfo {
            labels: Labels::clone(&self.shown.load()),
            ..info
        });
        info.map(|info| (info.node_id, Arc::new(info)))
            .into_iter()
            .collect()
    }

    async fn follow(&self, wake: &Wake) {
        let mut changed = self.changed.subscribe();
        wake.wake();
        while changed.changed().await.is_ok() {
            wake.wake();
        }
    }
}
