//! The view: the remembered result of every committed change, which serves all reads.
//!
//! A view is never changed, only replaced, so a reader sees one consistent state. Views share their structure, and a
//! reader gets the current one by one atomic load. So reads never wait, whatever happens to the plugin.

use std::sync::Arc;

use arc_swap::ArcSwap;
use imbl::OrdMap;

use crate::entries::Entries;
use edge_cache_core::decision::Timestamp;
use edge_cache_core::effective::EffectiveDecisions;
use edge_cache_core::{AgentInfo, EdgeCacheNode, EdgeCacheStats, NodeId, PluginState, SourceId};

/// A version of the remembered state.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) entries: Entries,
    pub(crate) decisions: EffectiveDecisions,
    /// Timestamps of decisions of this agent that others overruled soon after. Lost at a restart.
    pub(crate) overruled: OrdMap<NodeId, Timestamp>,
    /// The last counters of each source.
    pub(crate) sources: OrdMap<SourceId, EdgeCacheStats>,
    pub(crate) status: Status,
}

impl View {
    /// Returns the decision about the own node that this agent follows or refuses.
    pub(crate) fn agent_info(&self, own: Option<NodeId>) -> AgentInfo {
        let effective = own.and_then(|own| self.decisions.get(own));
        AgentInfo::of(effective.map(Arc::as_ref))
    }
}

/// The current view. Only the writer stores into it.
pub(crate) type ViewCell = ArcSwap<View>;

/// The status of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The state of the plugin.
    pub state: PluginState,
    /// The number of fresh instances that replaced a failed one.
    pub restarts: u64,
    /// The text of the last failure, if there was one.
    pub last_failure: Option<String>,
    /// Why the store is closed, if it is. Changes are refused meanwhile.
    pub store_failure: Option<String>,
}

/// The nodes that were eligible at one moment, in ascending order of node id.
///
/// Taking one costs the same for any number of nodes.
#[derive(Debug, Clone)]
pub struct EligibleNodes {
    pub(crate) entries: Entries,
}

impl EligibleNodes {
    /// Returns the number of nodes.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Tells whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.entries.len() == 0
    }

    /// Returns one node, if it is eligible.
    pub fn get(&self, node_id: NodeId) -> Option<&EdgeCacheNode> {
        self.entries.get(node_id).map(|entry| &entry.node)
    }

    /// Iterates over the nodes.
    pub fn iter(&self) -> impl Iterator<Item = &EdgeCacheNode> {
        self.entries.iter().map(|entry| &entry.node)
    }

    /// Copies the nodes.
    pub fn to_vec(&self) -> Vec<EdgeCacheNode> {
        self.iter().cloned().collect()
    }
}
