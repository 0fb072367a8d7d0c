//! Where the labels of a node go: into gossip, or nowhere.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::gossip::{GossipPool, PeerInfo};
use crate::labels::Labels;
use crate::types::NodeId;

/// The place where the registry's labels are shown. None of its functions blocks.
pub(crate) trait Advertiser: fmt::Debug + Send + Sync {
    /// The agent's own node, the only one whose labels it may show.
    fn node_id(&self) -> Option<NodeId>;

    /// The labels that other software has set on the own node.
    fn foreign_labels(&self) -> Arc<Labels>;

    /// Makes `labels` the complete set of the component's labels on the own node.
    fn announce(&self, labels: Labels);

    /// Whether another agent has taken over a decision, given as it travels.
    fn is_shared(&self, node_id: NodeId, decision: &str) -> bool;

    /// All labels that a live node shows at present, as far as is known here.
    fn shown(&self, node_id: NodeId) -> Option<Labels>;
}

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

    fn is_shared(&self, node_id: NodeId, decision: &str) -> bool {
        self.is_shared(node_id, decision)
    }

    fn shown(&self, node_id: NodeId) -> Option<Labels> {
        if node_id == self.node_id() {
            return Some(self.self_info().labels.clone());
        }
        self.snapshot().get(node_id).map(|peer| peer.labels.clone())
    }
}

/// The only member of its cluster: its labels are its own peer record and travel nowhere.
#[derive(Debug)]
pub(crate) struct Standalone {
    node_id: Option<NodeId>,
    foreign: Arc<Labels>,
    shown: ArcSwap<Labels>,
}

impl Standalone {
    /// A node on its own; without an info, a registry that has no node of its own.
    pub(crate) fn new(info: Option<PeerInfo>) -> Self {
        let (node_id, foreign) =
            info.map_or_else(Default::default, |info| (Some(info.node_id), info.labels));
        let foreign = Arc::new(foreign);
        Self {
            node_id,
            shown: ArcSwap::new(foreign.clone()),
            foreign,
        }
    }
}

impl Advertiser for Standalone {
    fn node_id(&self) -> Option<NodeId> {
        self.node_id
    }

    fn foreign_labels(&self) -> Arc<Labels> {
        self.foreign.clone()
    }

    fn announce(&self, mut labels: Labels) {
        labels.extend((*self.foreign).clone());
        self.shown.store(Arc::new(labels));
    }

    fn is_shared(&self, _: NodeId, _: &str) -> bool {
        false
    }

    fn shown(&self, node_id: NodeId) -> Option<Labels> {
        (self.node_id == Some(node_id)).then(|| Labels::clone(&self.shown.load()))
    }
}
