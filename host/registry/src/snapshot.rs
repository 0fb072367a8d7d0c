//! What is known of nodes, taken at one go: what the registry holds, and what they were seen to show then.
//!
//! Taking it waits for nothing. So labels may be in it already without the change that they follow from, or be
//! missing still: they travel at their own pace anyway. Nothing here keeps a component alive.

use std::sync::Arc;

use crate::advertiser::LiveNodes;
use crate::entries::LabelledEntry;
use crate::view::View;
use edge_cache_core::decision::EffectiveDecision;
use edge_cache_core::labels::{LabelGrants, Labels};
use edge_cache_core::{EdgeCacheNode, Entry, NodeId};
use edge_cache_gossip::PeerInfo;

/// What was known of all nodes. Cheap to clone; never changes.
#[derive(Debug, Clone)]
pub struct Snapshot {
    view: Arc<View>,
    live: LiveNodes,
    grants: LabelGrants,
}

/// What was known of one node. Cheap to clone; never changes.
#[derive(Debug, Clone)]
pub struct NodeState {
    labelled: Option<Arc<LabelledEntry>>,
    effective: Option<Arc<EffectiveDecision>>,
    info: Option<Arc<PeerInfo>>,
    foreign: Option<Arc<Labels>>,
    grants: LabelGrants,
}

/// The labels that a live node shows, and what tells those of a component from others.
#[derive(Debug)]
struct AdvertisedLabels<'a> {
    labels: &'a Labels,
    foreign: Option<&'a Labels>,
    grants: &'a LabelGrants,
}

impl Snapshot {
    pub(crate) fn new(view: Arc<View>, live: LiveNodes, grants: LabelGrants) -> Self {
        Self { view, live, grants }
    }

    /// The nodes that were eligible, in ascending order of node id, and whether each was seen to advertise exactly
    /// the labels that follow from its entry.
    pub fn eligible(&self) -> impl Iterator<Item = (&EdgeCacheNode, bool)> {
        self.view.entries.iter().map(|labelled| {
            let node = &labelled.entry.node;
            let info = self.live.info(node.node_id);
            let shown = info.map(|info| AdvertisedLabels {
                labels: &info.labels,
                foreign: self.live.foreign(node.node_id).map(Arc::as_ref),
                grants: &self.grants,
            });
            (node, shown.is_some_and(|shown| shown.is(&labelled.labels)))
        })
    }

    /// Whether nothing has changed from one to the other. False says nothing: a change may have been undone.
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
            effective: view.decisions.get(&node_id).cloned(),
            info: live.info(node_id).cloned(),
            foreign: live.foreign(node_id).cloned(),
            grants,
        }
    }

    /// Its entry, where it was eligible.
    #[must_use]
    pub fn entry(&self) -> Option<&Entry> {
        self.labelled.as_ref().map(|labelled| &labelled.entry)
    }

    /// The decision that stood about it, as [`EdgeCacheRegistry::standing`](crate::EdgeCacheRegistry::standing)
    /// has it.
    #[must_use]
    pub fn decision(&self) -> Option<&EffectiveDecision> {
        self.effective.as_deref()
    }

    /// Whether it was seen to advertise any label that a component may set.
    #[must_use]
    pub fn advertises_labels(&self) -> bool {
        self.shown()
            .is_some_and(|shown| shown.iter().next().is_some())
    }

    /// Whether it was seen to advertise exactly the labels that follow from its entry.
    #[must_use]
    pub fn is_advertised(&self) -> bool {
        let wanted = self.labelled.as_ref().map(|labelled| &labelled.labels);
        wanted
            .zip(self.shown())
            .is_some_and(|(wanted, shown)| shown.is(wanted))
    }

    fn shown(&self) -> Option<AdvertisedLabels<'_>> {
        Some(AdvertisedLabels {
            labels: &self.info.as_ref()?.labels,
            foreign: self.foreign.as_deref(),
            grants: &self.grants,
        })
    }
}

impl AdvertisedLabels<'_> {
    /// What a component may have set, in the order of keys. What other software set is known, and not the
    /// component's.
    fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        let is_foreign = |key| {
            self.foreign
                .is_some_and(|foreign| foreign.contains_key(key))
        };
        let labels = self.labels.iter();
        labels.filter(move |(key, _)| self.grants.allow(key) && !is_foreign(*key))
    }

    fn is(&self, wanted: &Labels) -> bool {
        self.iter().eq(wanted)
    }
}
