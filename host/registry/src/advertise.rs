//! Where the labels of a node go: into gossip, or nowhere.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use tokio::sync::watch;

use edge_cache_core::NodeId;
use edge_cache_core::decision::Standing;
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
    fn is_shared(&self, standing: &Standing) -> bool;

    /// The nodes that are live and known now.
    fn live(&self) -> LiveNodes;

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

    fn is_shared(&self, standing: &Standing) -> bool {
        self.is_replicated(&standing.decision, &standing.mark)
    }

    fn live(&self) -> LiveNodes {
        LiveNodes {
            own: Some(self.self_info()),
            foreign: self.foreign_labels(),
            peers: self.snapshot(),
        }
    }

    async fn follow(&self, wake: &Wake) {
        self.on_change(|| wake.wake()).await;
    }
}

/// The only member of its cluster: its labels are its own peer record and travel nowhere.
#[derive(Debug)]
pub(crate) struct Standalone {
    node_id: Option<NodeId>,
    foreign: Arc<Labels>,
    peers: Arc<Peers>,
    /// The own node as it is shown; none for a registry that has no node of its own.
    own: ArcSwapOption<PeerInfo>,
    changed: watch::Sender<()>,
}

impl Standalone {
    /// A node on its own; without an info, a registry that has no node of its own.
    pub(crate) fn new(info: Option<PeerInfo>) -> Self {
        let foreign = info.as_ref().map(|info| info.labels.clone());
        Self {
            node_id: info.as_ref().map(|info| info.node_id),
            foreign: Arc::new(foreign.unwrap_or_default()),
            peers: Arc::default(),
            own: ArcSwapOption::new(info.map(Arc::new)),
            changed: watch::Sender::default(),
        }
    }
}

#[async_trait]
impl Advertiser for Standalone {
    fn node_id(&self) -> Option<NodeId> {
        self.node_id
    }

    fn foreign_labels(&self) -> Arc<Labels> {
        self.foreign.clone()
    }

    fn announce(&self, mut labels: Labels) {
        let Some(own) = self.own.load_full() else {
            return;
        };
        labels.extend(Labels::clone(&self.foreign));
        let own = PeerInfo {
            labels,
            ..PeerInfo::clone(&own)
        };
        self.own.store(Some(Arc::new(own)));
        self.changed.send_replace(());
    }

    fn set_policy(&self, _: String) {}

    fn is_shared(&self, _: &Standing) -> bool {
        false
    }

    fn live(&self) -> LiveNodes {
        LiveNodes {
            own: self.own.load_full(),
            foreign: self.foreign.clone(),
            peers: self.peers.clone(),
        }
    }

    async fn follow(&self, wake: &Wake) {
        let mut changed = self.changed.subscribe();
        wake.wake();
        while changed.changed().await.is_ok() {
            wake.wake();
        }
    }
}
