//! The registry at one moment, and what nodes were seen to show then.

use std::sync::Arc;

use super::records::Record;
use super::standing::Standing;
use super::view::View;
use crate::advertise::LiveNodes;
use crate::gossip::PeerInfo;
use crate::labels::Labels;
use crate::sandbox::Plugin;
use crate::types::{EdgeCacheNode, Entry, NodeId};

/// All that was known at one moment. Cheap to clone; never changes.
#[derive(Debug, Clone)]
pub struct Snapshot {
    view: Arc<View>,
    live: LiveNodes,
    plugin: Arc<Plugin>,
}

/// All that was known of one node at one moment. Cheap to clone; never changes.
#[derive(Debug, Clone)]
pub struct NodeState {
    record: Option<Arc<Record>>,
    standing: Option<Arc<Standing>>,
    info: Option<Arc<PeerInfo>>,
    foreign: Option<Arc<Labels>>,
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

    /// What was known of one node.
    #[must_use]
    pub fn node(&self, node_id: NodeId) -> NodeState {
        NodeState::new(node_id, &self.view, &self.live, self.plugin.clone())
    }

    /// Whether nothing has changed from one to the other. False says nothing: a change may have been undone.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.view, &other.view)
            && self.live.is_same(&other.live)
            && Arc::ptr_eq(&self.plugin, &other.plugin)
    }
}

impl NodeState {
    pub(super) fn new(node_id: NodeId, view: &View, live: &LiveNodes, plugin: Arc<Plugin>) -> Self {
        Self {
            record: view.records.get(node_id).cloned(),
            standing: view.standings.get(&node_id).cloned(),
            info: live.info(node_id).cloned(),
            foreign: live.foreign(node_id).cloned(),
            plugin,
        }
    }

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

    /// Whether it was seen to advertise any label that a component may set.
    #[must_use]
    pub fn shows_labels(&self) -> bool {
        self.shown().is_some_and(|mut shown| shown.next().is_some())
    }

    /// Whether it was seen to advertise exactly the labels that follow from its entry.
    #[must_use]
    pub fn is_advertised(&self) -> bool {
        let wanted = self.record.as_ref().map(|record| &record.labels);
        wanted
            .zip(self.shown())
            .is_some_and(|(wanted, shown)| shown.eq(wanted))
    }

    /// Whether nothing has changed from one to the other. False says nothing: a change may have been undone.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        is_same(&self.record, &other.record)
            && is_same(&self.standing, &other.standing)
            && is_same(&self.info, &other.info)
            && is_same(&self.foreign, &other.foreign)
            && Arc::ptr_eq(&self.plugin, &other.plugin)
    }

    /// What it was seen to advertise of what a component may set, in the order of keys; none where it was not
    /// live.
    fn shown(&self) -> Option<impl Iterator<Item = (&String, &String)>> {
        let grants = &self.plugin.config().labels;
        // What other software set here is known, and not the component's.
        let is_foreign = |key: &String| {
            let foreign = self.foreign.as_ref();
            foreign.is_some_and(|foreign| foreign.contains_key(key))
        };
        let labels = self.info.as_ref()?.labels.iter();
        Some(labels.filter(move |(key, _)| grants.allow(key) && !is_foreign(key)))
    }
}

fn is_same<T>(one: &Option<Arc<T>>, other: &Option<Arc<T>>) -> bool {
    one.as_ref().map(Arc::as_ptr) == other.as_ref().map(Arc::as_ptr)
}
