//! The remembered entries.
//!
//! Each entry is in two structures: a sorted tree for lists, and a hash trie for lookups, which takes a third of the
//! tree's time. Copies share what does not change, so a copy of all entries is cheap.

use std::sync::Arc;

use foldhash::fast::RandomState;
use imbl::ordmap::DiffItem;
use imbl::shared_ptr::DefaultSharedPtr;
use imbl::{GenericHashMap, OrdMap};

use edge_cache_core::{Entry, NodeId};

/// The entries of all nodes. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entries {
    sorted: OrdMap<NodeId, Arc<Entry>>,
    hashed: GenericHashMap<NodeId, Arc<Entry>, RandomState, DefaultSharedPtr>,
}

impl Entries {
    pub(crate) fn len(&self) -> usize {
        self.sorted.len()
    }

    pub(crate) fn contains(&self, node_id: NodeId) -> bool {
        self.hashed.contains_key(&node_id)
    }

    pub(crate) fn get(&self, node_id: NodeId) -> Option<&Arc<Entry>> {
        self.hashed.get(&node_id)
    }

    /// Iterates in ascending order of node id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.sorted.values().map(Arc::as_ref)
    }

    /// Compares with a newer version, in ascending order of node id. Shared structure is skipped.
    pub(crate) fn diff<'a>(
        &'a self,
        newer: &'a Self,
    ) -> impl Iterator<Item = DiffItem<'a, 'a, NodeId, Arc<Entry>>> {
        self.sorted.diff(&newer.sorted)
    }

    /// Adds an entry, or replaces the one of its node.
    pub(crate) fn put(&mut self, entry: Entry) {
        let node_id = entry.node.node_id;
        let entry = Arc::new(entry);
        self.sorted.insert(node_id, entry.clone());
        self.hashed.insert(node_id, entry);
    }

    pub(crate) fn remove(&mut self, node_id: NodeId) {
        self.sorted.remove(&node_id);
        self.hashed.remove(&node_id);
    }
}

impl FromIterator<Entry> for Entries {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut all = Self::default();
        entries.into_iter().for_each(|entry| all.put(entry));
        all
    }
}
