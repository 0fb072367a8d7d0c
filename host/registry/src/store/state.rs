//! Values that the store takes and returns.

use std::sync::Arc;

use edge_cache_core::decision::EffectiveDecision;
use edge_cache_core::labels::Labels;
use edge_cache_core::{Entry, NodeId};

/// The owner of a data directory: one node of one cluster, for the directory's whole life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The agent's own node, if it has one.
    pub node_id: Option<NodeId>,
    /// The name of the cluster.
    pub cluster_id: String,
}

/// The content of a store when it was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// In ascending order of node id.
    pub(crate) entries: Vec<Entry>,
    /// The labels that the plugin wanted last for the own node.
    pub(crate) own_labels: Labels,
    /// In ascending order of node id.
    pub(crate) decisions: Vec<EffectiveDecision>,
}

/// The changes of one batch.
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
