//! What reads see: the remembered result of every committed change.
//!
//! A view is never changed, only replaced, so that a reader sees one state from beginning to end. It shares
//! its structure with the one before, and a reader gets it by one atomic load: reads wait for nobody, and
//! go on whatever happens to the component.

use arc_swap::ArcSwap;

use crate::entries::Entries;
use crate::status::Status;
use edge_cache_core::decision::EffectiveDecisions;
use edge_cache_core::{EdgeCacheNode, NodeId};

#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) entries: Entries,
    pub(crate) decisions: EffectiveDecisions,
    pub(crate) status: Status,
}

/// The present view. Only the writer stores into it.
pub(crate) type ViewCell = ArcSwap<View>;

/// The nodes that were eligible at one moment, in ascending order of node id.
///
/// Taking one costs the same however many nodes there are.
#[derive(Debug, Clone)]
pub struct EligibleNodes {
    entries: Entries,
}

impl EligibleNodes {
    pub(crate) fn new(entries: Entries) -> Self {
        Self { entries }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.len() == 0
    }

    /// One of them.
    pub fn get(&self, node_id: NodeId) -> Option<&EdgeCacheNode> {
        self.entries
            .get(node_id)
            .map(|labelled| &labelled.entry.node)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &EdgeCacheNode> {
        self.entries.iter().map(|labelled| &labelled.entry.node)
    }

    /// A copy of all of them.
    pub fn to_vec(&self) -> Vec<EdgeCacheNode> {
        self.iter().cloned().collect()
    }
}
