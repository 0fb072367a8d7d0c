//! The remembered entries, for two kinds of readers.
//!
//! A list wants the order of node ids, a lookup wants to be quick, and each is served by the structure that
//! does it best: a tree that is sorted, and a hash trie that answers in a third of the tree's time. Both
//! share what they do not change with their copies, so a copy of all entries costs next to nothing.

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::fast::RandomState;
use imbl::ordmap::DiffItem;
use imbl::shared_ptr::DefaultSharedPtr;
use imbl::{GenericHashMap, OrdMap};

use super::changes::RegistryEvent;
use edge_cache_core::labels::Labels;
use edge_cache_core::{Entry, NodeId};

/// What the host remembers of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) entry: Entry,
    /// What the component wants the node to advertise.
    pub(crate) labels: Labels,
}

/// The records of all nodes. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Records {
    sorted: OrdMap<NodeId, Arc<Record>>,
    hashed: GenericHashMap<NodeId, Arc<Record>, RandomState, DefaultSharedPtr>,
}

impl Records {
    pub(crate) fn len(&self) -> usize {
        self.sorted.len()
    }

    pub(crate) fn contains(&self, node_id: NodeId) -> bool {
        self.hashed.contains_key(&node_id)
    }

    pub(crate) fn get(&self, node_id: NodeId) -> Option<&Arc<Record>> {
        self.hashed.get(&node_id)
    }

    /// In ascending order of node id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.sorted.values().map(Arc::as_ref)
    }

    /// Adds a record, in place of another of its node.
    pub(crate) fn put(&mut self, record: Record) {
        let node_id = record.entry.node.node_id;
        let record = Arc::new(record);
        self.sorted.insert(node_id, record.clone());
        self.hashed.insert(node_id, record);
    }

    pub(crate) fn remove(&mut self, node_id: NodeId) {
        self.sorted.remove(&node_id);
        self.hashed.remove(&node_id);
    }

    /// The events that lead from these records to newer ones, in ascending order of node id. What both share
    /// is not looked at.
    pub(crate) fn events_to(&self, newer: &Self) -> VecDeque<RegistryEvent> {
        let enabled = |record: &Record| RegistryEvent::Enabled(record.entry.node.clone());
        self.sorted
            .diff(&newer.sorted)
            .filter_map(|change| match change {
                DiffItem::Add(_, new) => Some(enabled(new)),
                DiffItem::Update {
                    old: (_, old),
                    new: (_, new),
                } => (old.entry.node != new.entry.node).then(|| enabled(new)),
                DiffItem::Remove(node_id, _) => Some(RegistryEvent::Disabled { node_id: *node_id }),
            })
            .collect()
    }
}

impl FromIterator<Record> for Records {
    fn from_iter<I: IntoIterator<Item = Record>>(records: I) -> Self {
        let mut all = Self::default();
        records.into_iter().for_each(|record| all.put(record));
        all
    }
}
