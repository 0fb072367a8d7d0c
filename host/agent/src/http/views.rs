//! Conversions of nodes into the types of the API.

use edge_cache_api::{
    DecidedNode, Decision, DecisionOp, Node, NodeChange, NodeDetails, NodeId, NodeStats,
    RegisteredNode, Timestamp,
};
use edge_cache_host::{
    CacheAddress, EdgeCacheRegistry, EdgeCacheStats, EffectiveDecision, Entry, ListedNode,
    NodeState, Op,
};

/// The state of one node at one moment.
#[derive(Debug)]
pub(super) struct KnownNode {
    node_id: NodeId,
    state: NodeState,
    is_replicated: bool,
    own: Option<NodeId>,
}

impl KnownNode {
    /// Reads the state.
    pub(super) fn now(registry: &EdgeCacheRegistry, node_id: NodeId) -> Self {
        Self::new(registry, node_id, registry.node(node_id))
    }

    /// Takes a state that was read before.
    pub(super) fn new(registry: &EdgeCacheRegistry, node_id: NodeId, state: NodeState) -> Self {
        let effective = state.decision();
        Self {
            node_id,
            is_replicated: effective
                .is_some_and(|effective| registry.is_decision_replicated(effective)),
            state,
            own: registry.node_id(),
        }
    }

    pub(super) fn stats(&self) -> NodeStats {
        let is_elsewhere = self.state.is_counted_elsewhere();
        let counted_by = if is_elsewhere {
            Some(self.node_id)
        } else {
            self.own
        };
        stats(self.state.stats(), counted_by)
    }

    /// Returns the details; `None` where the node is not registered, was not to be enabled, and no decision of this
    /// agent was overruled.
    pub(super) fn details(&self) -> Option<NodeDetails> {
        let decision = self.decision();
        let Some(Entry { node, .. }) = self.state.entry() else {
            let decision = decision?;
            let is_shown = decision.capacity.is_some() || decision.overruled.is_some();
            return is_shown.then(|| NodeDetails::Unregistered(self.pending()));
        };
        Some(NodeDetails::Registered(RegisteredNode {
            node_id: node.node_id,
            capacity: node.capacity.clone(),
            enabled_at: Timestamp(node.enabled_at),
            advertised: self.state.advertised(),
            alive: self.state.is_alive(),
            address: self.state.address().map(CacheAddress::socket),
            address_refused: self.state.address_refusal().map(ToString::to_string),
            stats: self.stats(),
            decision,
        }))
    }

    /// Returns how far the decision has come, without what the routing table has.
    pub(super) fn decided(&self) -> DecidedNode {
        DecidedNode {
            node_id: self.node_id,
            registered: self.state.entry().is_some(),
            advertised: self.state.advertised(),
            alive: self.state.is_alive(),
            weight: None,
            geo: None,
            address: self.state.address().map(CacheAddress::socket),
            address_refused: self.state.address_refusal().map(ToString::to_string),
            hit_ratio: self.state.stats().hit_ratio(),
            decision: self.decision(),
        }
    }

    /// Returns the state after a change.
    pub(super) fn pending(&self) -> NodeChange {
        NodeChange {
            node_id: self.node_id,
            registered: self.state.entry().is_some(),
            advertised: self.state.advertised(),
            alive: self.state.is_alive(),
            decision: self.decision(),
        }
    }

    fn decision(&self) -> Option<Decision> {
        let EffectiveDecision {
            decision,
            set_aside,
        } = self.state.decision()?;
        let (op, capacity) = match &decision.op {
            Op::Enable { capacity, .. } => (DecisionOp::Enable, Some(capacity.clone())),
            Op::Disable {} => (DecisionOp::Disable, None),
        };
        Some(Decision {
            op,
            at: Timestamp(decision.at.time()),
            by: decision.by,
            replicated: self.is_replicated,
            capacity,
            refused: set_aside.as_ref().map(ToString::to_string),
            refused_by_node: self.state.refusal().map(str::to_string),
            overruled: self.state.overruled().map(|at| Timestamp(at.time())),
        })
    }
}

pub(super) fn stats(stats: EdgeCacheStats, counted_by: Option<NodeId>) -> NodeStats {
    let EdgeCacheStats { hits, misses } = stats;
    NodeStats {
        hits,
        misses,
        counted_by,
        hit_ratio: stats.hit_ratio(),
    }
}

pub(super) fn node(listed: ListedNode<'_>) -> Node {
    let node = listed.node;
    Node {
        node_id: node.node_id,
        capacity: node.capacity.clone(),
        enabled_at: Timestamp(node.enabled_at),
        advertised: listed.advertised,
        hit_ratio: listed.stats.hit_ratio(),
        address: listed.address.map(CacheAddress::socket),
    }
}
