//! The values that the store takes and returns.

use std::sync::Arc;

use edge_cache_core::decision::EffectiveDecision;
use edge_cache_core::labels::Labels;
use edge_cache_core::{Entry, NodeId};

/// Whose state it is. A directory belongs to one node of one cluster for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The agent's own node, if it has one.
    pub node_id: Option<NodeId>,
    /// The cluster.
    pub cluster_id: String,
}

/// What a store held when it was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// In ascending order of node id.
    pub(crate) entries: Vec<Entry>,
    /// The set of labels that the component wanted last for the own node.
    pub(crate) own_labels: Labels,
    /// In ascending order of node id.
    pub(crate) decisions: Vec<EffectiveDecision>,
}

/// What one batch changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) put: Vec<Entry>,
    pub(crate) remove: Vec<NodeId>,
    pub(crate) own_labels: Option<Labels>,
    pub(crate) decisions: Vec<Arc<EffectiveDecision>>,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.put.is_empty()
            && self.remove.is_empty()
            && self.own_labels.is_none()
            && self.decisions.is_empty()
    }
}
