//! The advertiser of a registry: announces the labels of the own node, and sees those of live nodes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use tokio::sync::watch;

use edge_cache_core::effective::EffectiveDecision;
use edge_cache_core::labels::Labels;
use edge_cache_core::{AgentInfo, NodeId, PublishedStats};
use edge_cache_gossip::{GossipPool, JoinState, PeerInfo, Peers};

#[cfg(test)]
mod tests;

/// The live nodes at one moment, with their labels. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct LiveNodes {
    /// The own node.
    pub(crate) own: Option<Arc<PeerInfo>>,
    pub(crate) peers: Arc<Peers>,
    /// The counters that the agents of other nodes publish.
    pub(crate) published: Arc<BTreeMap<NodeId, PublishedStats>>,
}

impl LiveNodes {
    /// Takes the infos of all live nodes, the own one included, in any order. Of each node the last info counts.
    pub fn new(own: NodeId, infos: impl IntoIterator<Item = Arc<PeerInfo>>) -> Self {
        let infos = infos.into_iter();
        let (mut own, peers): (Vec<_>, Vec<_>) = infos.partition(|info| info.node_id == own);
        Self {
            own: own.pop(),
            peers: Arc::new(peers.into_iter().collect()),
            published: Arc::default(),
        }
    }

    /// Returns the info of a node, if it is live and known.
    pub(crate) fn info(&self, node_id: NodeId) -> Option<&Arc<PeerInfo>> {
        let own = self.own.as_ref().filter(|own| own.node_id == node_id);
        own.or_else(|| self.peers.get(node_id))
    }

    /// Tells whether another agent counts for a node: its own one, while it lives.
    pub(crate) fn is_counted_elsewhere(&self, node_id: NodeId) -> bool {
        let peer = self.peers.get(node_id);
        peer.is_some_and(|info| info.agent.is_some())
    }

    /// Iterates over the infos of all live nodes, each once.
    pub(crate) fn infos(&self) -> impl Iterator<Item = &Arc<PeerInfo>> {
        self.peers.iter().chain(&self.own)
    }

    /// Tells whether both share their state. If not, they may still be equal.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let own = self.own.as_ref().map(Arc::as_ptr) == other.own.as_ref().map(Arc::as_ptr);
        own && Arc::ptr_eq(&self.peers, &other.peers)
            && Arc::ptr_eq(&self.published, &other.published)
    }
}

/// Gossip, as a registry needs it: announces the labels of the own node, and sees the live nodes.
///
/// No function may block, panic or call the registry: [`announce`](Self::announce) runs on the thread that writes, between
/// a change and its answer, and [`live`](Self::live) at each read. Hand slow work over to a task.
///
/// [`GossipPool`] implements it. Gossip of an embedder's own needs the four functions without a default, and
/// [`Builder::advertiser`](crate::Builder::advertiser): labels then travel by it. Decisions do not, so each node must be
/// enabled at its own registry.
///
/// # Example
///
/// A cluster of registries in one process:
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::Arc;
///
/// use edge_cache_host::gossip::{AgentInfo, PeerInfo};
/// use edge_cache_host::labels::Labels;
/// use edge_cache_host::{Advertiser, LiveNodes, NodeId, async_trait};
/// use tokio::sync::watch;
///
/// type Cluster = watch::Sender<BTreeMap<NodeId, Arc<PeerInfo>>>;
///
/// #[derive(Debug)]
/// struct Member {
///     node_id: NodeId,
///     cluster: Arc<Cluster>,
/// }
///
/// #[async_trait]
/// impl Advertiser for Member {
///     fn node_id(&self) -> Option<NodeId> {
///         Some(self.node_id)
///     }
///
///     fn announce(&self, labels: Labels, agent: AgentInfo) {
///         let mut info = PeerInfo::placeholder(self.node_id);
///         (info.labels, info.agent) = (labels, Some(agent));
///         let info = Arc::new(info);
///         self.cluster.send_modify(|nodes| drop(nodes.insert(self.node_id, info)));
///     }
///
///     fn live(&self) -> LiveNodes {
///         LiveNodes::new(self.node_id, self.cluster.borrow().values().cloned())
///     }
///
///     async fn follow(&self, changed: &(dyn Fn() + Send + Sync)) {
///         let mut nodes = self.cluster.subscribe();
///         changed();
///         while nodes.changed().await.is_ok() {
///             changed();
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait Advertiser: fmt::Debug + Send + Sync {
    /// Returns the own node, the only one whose labels may be announced. None: the registry has no node.
    fn node_id(&self) -> Option<NodeId>;

    /// Replaces all labels of the plugin on the own node, and the decision that they follow from.
    ///
    /// Gossip that cannot carry an [`AgentInfo`] leaves it out: other nodes then do not know what this one follows.
    fn announce(&self, labels: Labels, agent: AgentInfo);

    /// Returns the live nodes, the own one as it is announced. Called for each read: with many nodes, keep the value until a
    /// node changes and return a clone of it, since [`LiveNodes::new`] sorts them.
    fn live(&self) -> LiveNodes;

    /// Calls `changed` at once, and whenever [`live`](Self::live) returns other infos. Ends when nothing can change any
    /// more.
    async fn follow(&self, changed: &(dyn Fn() + Send + Sync));

    /// Returns the labels of other software on the own node, which the plugin may not set. Default: none.
    fn foreign_labels(&self) -> Arc<Labels> {
        Arc::default()
    }

    /// Tells whether an agent of a node may run although it is not live: nobody else counts for the node then. Default: false.
    fn may_run(&self, _node_id: NodeId) -> bool {
        false
    }

    /// Returns whether labels can still be announced. False once gossip was shut down. Default: true.
    fn accepts_labels(&self) -> bool {
        true
    }

    /// Tells whether the first exchange with the cluster is over, so that [`live`](Self::live) is whole, and no decision
    /// of another agent is on the way to the writer. Default: true.
    fn has_joined(&self) -> bool {
        true
    }

    /// Tells whether the time is over in which others may say what they have decided. Default: true.
    fn has_waited(&self) -> bool {
        true
    }

    /// Replaces the announced policy: the digest of the plugin and its settings. Default: announces none.
    fn set_policy(&self, _policy: String) {}

    /// Tells whether another agent keeps a replica of a decision. Default: false, since decisions do not travel.
    fn is_replicated(&self, _effective: &EffectiveDecision) -> bool {
        false
    }
}

#[async_trait]
impl Advertiser for GossipPool {
    fn node_id(&self) -> Option<NodeId> {
        Some(self.node_id())
    }

    fn foreign_labels(&self) -> Arc<Labels> {
        self.foreign_labels()
    }

    fn may_run(&self, node_id: NodeId) -> bool {
        GossipPool::may_run(self, node_id)
    }

    fn accepts_labels(&self) -> bool {
        !self.is_stopped()
    }

    fn has_waited(&self) -> bool {
        GossipPool::has_waited(self)
    }

    fn announce(&self, labels: Labels, agent: AgentInfo) {
        // The size was checked when the plugin published; a stopped pool has no peers to tell.
        if let Err(error) = self.publish_decided(labels, agent) {
            tracing::warn!(%error, "cannot announce labels");
        }
    }

    fn set_policy(&self, policy: String) {
        if let Err(error) = self.set_policy(policy) {
            tracing::warn!(%error, "cannot announce the plugin's policy");
        }
    }

    fn is_replicated(&self, effective: &EffectiveDecision) -> bool {
        GossipPool::is_replicated(self, &effective.decision)
    }

    fn has_joined(&self) -> bool {
        self.join_state() != JoinState::Joining && self.pending_decisions() == 0
    }

    fn live(&self) -> LiveNodes {
        LiveNodes {
            own: Some(self.self_info()),
            peers: self.snapshot(),
            published: self.published_stats(),
        }
    }

    async fn follow(&self, changed: &(dyn Fn() + Send + Sync)) {
        self.on_change(changed).await;
    }
}

/// The only member of its cluster: its labels are part of its own info and are not sent.
#[derive(Debug)]
pub(crate) struct Standalone {
    node_id: Option<NodeId>,
    foreign: Arc<Labels>,
    /// One value, by which readers see that it is the same.
    nobody: LiveNodes,
    /// The info of the own node, with all labels; none for a registry without a node.
    own: ArcSwapOption<PeerInfo>,
    changed: watch::Sender<()>,
}

impl Standalone {
    /// Creates the advertiser of a node; without an info, of a registry without a node.
    pub(crate) fn new(info: Option<PeerInfo>) -> Self {
        let foreign = info.as_ref().map(|info| info.labels.clone());
        Self {
            node_id: info.as_ref().map(|info| info.node_id),
            foreign: Arc::new(foreign.unwrap_or_default()),
            nobody: LiveNodes::default(),
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

    fn announce(&self, mut labels: Labels, agent: AgentInfo) {
        let Some(own) = self.own.load_full() else {
            return;
        };
        labels.extend(Labels::clone(&self.foreign));
        let own = PeerInfo {
            labels,
            agent: Some(agent),
            ..PeerInfo::clone(&own)
        };
        self.own.store(Some(Arc::new(own)));
        self.changed.send_replace(());
    }

    fn live(&self) -> LiveNodes {
        LiveNodes {
            own: self.own.load_full(),
            ..self.nobody.clone()
        }
    }

    async fn follow(&self, changed: &(dyn Fn() + Send + Sync)) {
        let mut own = self.changed.subscribe();
        changed();
        while own.changed().await.is_ok() {
            changed();
        }
    }
}
