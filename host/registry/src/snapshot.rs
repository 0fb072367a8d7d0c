//! Snapshots of the registry and of one node, with what the agents of live nodes say about the decisions.
//!
//! Taking a snapshot never waits. Node infos and entries are not read atomically; either may lag. A snapshot keeps no
//! plugin alive.

use std::sync::Arc;

use crate::advertiser::LiveNodes;
use crate::view::View;
use edge_cache_core::effective::EffectiveDecision;
use edge_cache_core::{DecisionId, EdgeCacheNode, Entry, NodeId};
use edge_cache_gossip::PeerInfo;

/// The state of all nodes at one moment. Cheap to clone; never changes.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) view: Arc<View>,
    pub(crate) live: LiveNodes,
}

/// The state of one node at one moment. Cheap to clone; never changes.
#[derive(Debug, Clone)]
pub struct NodeState {
    entry: Option<Arc<Entry>>,
    effective: Option<Arc<EffectiveDecision>>,
    info: Option<Arc<PeerInfo>>,
}

impl Snapshot {
    /// Iterates over the eligible nodes in ascending order of node id, each with [`NodeState::advertised`].
    pub fn eligible(&self) -> impl Iterator<Item = (&EdgeCacheNode, Option<bool>)> {
        self.view.entries.iter().map(|entry| {
            let node_id = entry.node.node_id;
            let effective = self.view.decisions.get(node_id);
            let info = self.live.info(node_id);
            let advertised = advertised(effective.map(Arc::as_ref), info.map(Arc::as_ref));
            (&entry.node, advertised)
        })
    }

    /// Tells whether two snapshots share their state. If not, they may still be equal: a change may have been undone.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.view, &other.view) && self.live.is_same(&other.live)
    }
}

impl NodeState {
    pub(crate) fn new(node_id: NodeId, view: &View, live: &LiveNodes) -> Self {
        Self {
            entry: view.entries.get(node_id).cloned(),
            effective: view.decisions.get(node_id).cloned(),
            info: live.info(node_id).cloned(),
        }
    }

    /// Returns the entry of the node, if it was eligible.
    #[must_use]
    pub fn entry(&self) -> Option<&Entry> {
        self.entry.as_deref()
    }

    /// Returns the effective decision, like [`EdgeCacheRegistry::decision`](crate::EdgeCacheRegistry::decision).
    #[must_use]
    pub fn decision(&self) -> Option<&EffectiveDecision> {
        self.effective.as_deref()
    }

    /// Tells whether the node's own agent says that it follows the effective decision, which enables the node. `None`
    /// for a live member that is no agent; a node that is not live advertises nothing.
    #[must_use]
    pub fn advertised(&self) -> Option<bool> {
        advertised(self.decision(), self.info.as_deref())
    }

    /// Tells whether the node advertises nothing that the effective decision forbids: its agent follows a decision that
    /// disables it, or it is not live.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let (effective, info) = (self.decision(), self.info.as_deref());
        let is_disabled = effective.is_none_or(|effective| effective.decision.enabled().is_none());
        is_disabled && info.is_none_or(|info| follows(effective, info) == Some(true))
    }

    /// Returns the reason of the node's own agent for refusing the effective decision, if it does.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        let refuses = self.info.as_ref()?.agent.as_ref()?.refuses.as_ref()?;
        let id = DecisionId::of(&self.decision()?.decision);
        (refuses.decision == id).then_some(&*refuses.reason)
    }
}

fn advertised(effective: Option<&EffectiveDecision>, info: Option<&PeerInfo>) -> Option<bool> {
    let Some(info) = info else {
        return Some(false);
    };
    let is_enabled = effective.is_some_and(|effective| effective.decision.enabled().is_some());
    follows(effective, info).map(|follows| follows && is_enabled)
}

/// Tells whether the agent of a live member follows a decision; `None` for a member that is no agent.
fn follows(effective: Option<&EffectiveDecision>, info: &PeerInfo) -> Option<bool> {
    let agent = info.agent.as_ref()?;
    let id = effective.map(|effective| DecisionId::of(&effective.decision));
    Some(id.is_some() && agent.follows == id)
}
