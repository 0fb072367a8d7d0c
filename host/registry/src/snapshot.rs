//! Snapshots of the registry and of one node, with the labels that live nodes advertise.
//!
//! Taking a snapshot never waits. Labels and entries are not read atomically; either may lag. A snapshot keeps no
//! plugin alive.

use std::sync::Arc;

use crate::advertiser::LiveNodes;
use crate::entries::LabelledEntry;
use crate::view::View;
use edge_cache_core::effective::EffectiveDecision;
use edge_cache_core::labels::{LabelGrants, Labels};
use edge_cache_core::{EdgeCacheNode, Entry, NodeId};
use edge_cache_gossip::PeerInfo;

/// The state of all nodes at one moment. Cheap to clone; never changes.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) view: Arc<View>,
    pub(crate) live: LiveNodes,
    pub(crate) grants: LabelGrants,
}

/// The state of one node at one moment. Cheap to clone; never changes.
#[derive(Debug, Clone)]
pub struct NodeState {
    labelled: Option<Arc<LabelledEntry>>,
    effective: Option<Arc<EffectiveDecision>>,
    info: Option<Arc<PeerInfo>>,
    foreign: Option<Arc<Labels>>,
    grants: LabelGrants,
}

impl Snapshot {
    /// Iterates over the eligible nodes in ascending order of node id. The flag tells whether the node advertises
    /// exactly the labels that its entry requires.
    pub fn eligible(&self) -> impl Iterator<Item = (&EdgeCacheNode, bool)> {
        self.view.entries.iter().map(|labelled| {
            let node = &labelled.entry.node;
            let foreign = self.live.foreign(node.node_id);
            let is_advertised = self.live.info(node.node_id).is_some_and(|info| {
                plugin_labels(info, foreign.map(Arc::as_ref), &self.grants).eq(&labelled.labels)
            });
            (node, is_advertised)
        })
    }

    /// Tells whether two snapshots share their state. If not, they may still be equal: a change may have been undone.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.view, &other.view)
            && self.live.is_same(&other.live)
            && self.grants == other.grants
    }
}

impl NodeState {
    pub(crate) fn new(node_id: NodeId, view: &View, live: &LiveNodes, grants: LabelGrants) -> Self {
        Self {
            labelled: view.entries.get(node_id).cloned(),
            effective: view.decisions.get(node_id).cloned(),
            info: live.info(node_id).cloned(),
            foreign: live.foreign(node_id).cloned(),
            grants,
        }
    }

    /// Returns the entry of the node, if it was eligible.
    #[must_use]
    pub fn entry(&self) -> Option<&Entry> {
        self.labelled.as_ref().map(|labelled| &labelled.entry)
    }

    /// Returns the effective decision, like [`EdgeCacheRegistry::decision`](crate::EdgeCacheRegistry::decision).
    #[must_use]
    pub fn decision(&self) -> Option<&EffectiveDecision> {
        self.effective.as_deref()
    }

    /// Tells whether the node advertised any label that the plugin may set.
    #[must_use]
    pub fn advertises_labels(&self) -> bool {
        self.advertised()
            .is_some_and(|mut labels| labels.next().is_some())
    }

    /// Tells whether the node advertised exactly the labels that its entry requires.
    #[must_use]
    pub fn is_advertised(&self) -> bool {
        let wanted = self.labelled.as_ref().map(|labelled| &labelled.labels);
        wanted
            .zip(self.advertised())
            .is_some_and(|(wanted, advertised)| advertised.eq(wanted))
    }

    fn advertised(&self) -> Option<impl Iterator<Item = (&String, &String)>> {
        let info = self.info.as_ref()?;
        let foreign = self.foreign.as_deref();
        Some(plugin_labels(info, foreign, &self.grants))
    }
}

/// Iterates over the labels of a node that the plugin may have set, in the order of keys. Labels of other software are
/// known on the own node, and left out.
fn plugin_labels<'a>(
    info: &'a PeerInfo,
    foreign: Option<&'a Labels>,
    grants: &'a LabelGrants,
) -> impl Iterator<Item = (&'a String, &'a String)> {
    let is_foreign = move |key| foreign.is_some_and(|foreign| foreign.contains_key(key));
    let labels = info.labels.iter();
    labels.filter(move |(key, _)| grants.allow(key) && !is_foreign(*key))
}
