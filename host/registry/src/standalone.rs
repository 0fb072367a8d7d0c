//! The advertiser of a node without a cluster.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use tokio::sync::watch;

use crate::advertiser::{Advertiser, LiveNodes};
use edge_cache_core::NodeId;
use edge_cache_core::decision::EffectiveDecision;
use edge_cache_core::labels::Labels;
use edge_cache_gossip::{PeerInfo, Peers};

/// The only member of its cluster: its labels are part of its own info and are not sent.
#[derive(Debug)]
pub(crate) struct Standalone {
    node_id: Option<NodeId>,
    foreign: Arc<Labels>,
    peers: Arc<Peers>,
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

    fn accepts_labels(&self) -> bool {
        true
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

    fn is_replicated(&self, _: &EffectiveDecision) -> bool {
        false
    }

    fn live(&self) -> LiveNodes {
        LiveNodes {
            own: self.own.load_full(),
            foreign: self.foreign.clone(),
            peers: self.peers.clone(),
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
