//! The registry at one moment, and what nodes were seen to show then.

use std::sync::Arc;

use super::records::Record;
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

/// All that the registry knew of one node at one moment. Cheap to clone.
#[derive(Debug, Clone)]
pub struct NodeState {
    record: Option<Arc<Record>>,
    standing: Option<Arc<Standing>>,
}

impl NodeState {
    /// Its entry, where it was eligible.
    #[must_use]
    pub fn entry(&self) -> Option<&Entry> {
        self.record.as_ref().map(|record| &record.entry)
    }

    /// The decision that stood about it, as [`EdgeCacheRegistry::standing`](crate::EdgeCacheRegistry::standing)
    /// has it.
    #[must_use]
    pub fn standing(&self) -> Option<&Standing> {
        self.standing.as_deref()
    }

    /// Whether nothing has changed from one to the other. False says nothing: a change may have been undone.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        is_same(self.record.as_ref(), other.record.as_ref())
            && is_same(self.standing.as_ref(), other.standing.as_ref())
    }
}

impl Snapshot {
    pub(super) fn new(view: Arc<View>, live: LiveNodes, plugin: Arc<Plugin>) -> Self {
        Self { view, live, plugin }
    }

    /// The nodes that were eligible, in ascending order of node id.
    pub fn eligible(&self) -> impl Iterator<Item = &EdgeCacheNode> {
        self.view.records.iter().map(|record| &record.entry.node)
    }

    /// What was known of one node.
    #[must_use]
    pub fn node(&self, node_id: NodeId) -> NodeState {
        NodeState {
            record: self.view.records.get(node_id).cloned(),
            standing: self.view.standings.get(&node_id).cloned(),
        }
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

fn is_same<T>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}
