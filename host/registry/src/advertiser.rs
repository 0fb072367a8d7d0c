//! Where the labels of a node go: into gossip, or nowhere.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use async_trait::async_trait;

use edge_cache_core::NodeId;
use edge_cache_core::decision::EffectiveDecision;
use edge_cache_core::labels::Labels;
use edge_cache_gossip::{GossipPool, PeerInfo, Peers};

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

/// The live nodes of one moment, and what they show. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct LiveNodes {
    /// The agent's own node.
    pub(crate) own: Option<Arc<PeerInfo>>,
    /// The labels that other software has set on it.
    pub(crate) foreign: Arc<Labels>,
    pub(crate) peers: Arc<Peers>,
}

impl LiveNodes {
    /// What a node says of itself, where it is live and known.
    pub(crate) fn info(&self, node_id: NodeId) -> Option<&Arc<PeerInfo>> {
        let own = self.own.as_ref().filter(|own| own.node_id == node_id);
        own.or_else(|| self.peers.get(node_id))
    }

    /// The labels that other software has set on a node, as far as they are known.
    pub(crate) fn foreign(&self, node_id: NodeId) -> Option<&Arc<Labels>> {
        let is_own = self.own.as_ref().is_some_and(|own| own.node_id == node_id);
        is_own.then_some(&self.foreign)
    }

    /// The infos of all, each node once.
    pub(crate) fn infos(&self) -> impl Iterator<Item = &Arc<PeerInfo>> {
        self.peers.iter().chain(&self.own)
    }

    /// Whether both are of the same moment. False says nothing.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let own = self.own.as_ref().map(Arc::as_ptr) == other.own.as_ref().map(Arc::as_ptr);
        own && Arc::ptr_eq(&self.foreign, &other.foreign) && Arc::ptr_eq(&self.peers, &other.peers)
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

    /// Whether another agent carries a decision that stands.
    fn is_replicated(&self, effective: &EffectiveDecision) -> bool;

    /// The nodes that are live and known now.
    fn live(&self) -> LiveNodes;

    /// Calls `changed` at once, and whenever [`live`](Self::live) returns something else. Ends when nothing can
    /// change any more.
    async fn follow(&self, changed: &(dyn Fn() + Send + Sync));
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

    fn is_replicated(&self, effective: &EffectiveDecision) -> bool {
        GossipPool::is_replicated(self, &effective.decision)
    }

    fn live(&self) -> LiveNodes {
        LiveNodes {
            own: Some(self.self_info()),
            foreign: self.foreign_labels(),
            peers: self.snapshot(),
        }
    }

    async fn follow(&self, changed: &(dyn Fn() + Send + Sync)) {
        self.on_change(changed).await;
    }
}
