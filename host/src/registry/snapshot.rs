//! The registry at one moment, and what nodes were seen to show then.

use std::sync::Arc;

use super::standing::Standing;
use super::view::View;
use crate::advertise::LiveNodes;
use crate::sandbox::Plugin;
use crate::types::{EdgeCacheNode, Entry, NodeId};

/// All that was known at one moment. Cheap to clone; never changes.
#[derive(Debug, Clone)]
pub struct Snapshot {
    view: Arc<View>,
    live: LiveNodes,
    plugin: Arc<Plugin>,
}

impl Snapshot {
    pub(super) fn new(view: Arc<View>, live: LiveNodes, plugin: Arc<Plugin>) -> Self {
        Self { view, live, plugin }
    }

    /// The nodes that were eligible, in ascending order of node id.
    pub fn eligible(&self) -> impl Iterator<Item = &EdgeCacheNode> {
        self.view.records.iter().map(|record| &record.entry.node)
    }

    /// What was known of an eligible node.
    #[must_use]
    pub fn entry(&self, node_id: NodeId) -> Option<&Entry> {
        self.view.records.get(node_id).map(|record| &record.entry)
    }

    /// The decision that stood about a node, as [`EdgeCacheRegistry::standing`](crate::EdgeCacheRegistry::standing)
    /// has it.
    #[must_use]
    pub fn standing(&self, node_id: NodeId) -> Option<&Standing> {
        self.view.standings.get(&node_id).map(Arc::as_ref)
    }

    /// Whether the node was seen to advertise any label that a component may set.
    #[must_use]
    pub fn shows_labels(&self, node_id: NodeId) -> bool {
        self.shown(node_id)
            .is_some_and(|mut shown| shown.next().is_some())
    }

    /// Whether the node was seen to advertise exactly the labels that follow from its entry.
    #[must_use]
    pub fn is_advertised(&self, node_id: NodeId) -> bool {
        let wanted = self.view.records.get(node_id).map(|record| &record.labels);
        wanted
            .zip(self.shown(node_id))
            .is_some_and(|(wanted, shown)| shown.eq(wanted))
    }

    /// Whether nothing has changed from one to the other. False says nothing: a change may have been undone.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.view, &other.view)
            && self.live.is_same(&other.live)
            && Arc::ptr_eq(&self.plugin, &other.plugin)
    }

    /// What a node was seen to advertise of what a component may set, in the order of keys; none where it was
    /// not live.
    fn shown(&self, node_id: NodeId) -> Option<impl Iterator<Item = (&String, &String)>> {
        let grants = &self.plugin.config().labels;
        let labels = self.live.labels(node_id)?.iter();
        // What other software set here is known, and not the component's.
        let is_its = move |key: &str| grants.allow(key) && !self.live.is_foreign(node_id, key);
        Some(labels.filter(move |(key, _)| is_its(key)))
    }
}
