//! Nodes as clients see them, made of one look at the registry.

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use edge_cache_api::headers::JSON;
use edge_cache_api::{
    Decision, DecisionOp, Node, NodeChange, NodeDetails, NodeId, RegisteredNode, Timestamp,
};
use edge_cache_host::{EdgeCacheNode, EdgeCacheRegistry, EffectiveDecision, Entry, NodeState, Op};

/// Room for the JSON of one node and its decision, in bytes: a longer one takes more.
const NODE_BYTES: usize = 512;

/// All that an answer about one node is made of.
#[derive(Debug)]
pub(super) struct Known {
    node_id: NodeId,
    state: NodeState,
    shared: bool,
}

impl Known {
    /// All of this moment.
    pub(super) fn now(registry: &EdgeCacheRegistry, node_id: NodeId) -> Self {
        let state = registry.node(node_id);
        let effective = state.decision();
        Self {
            node_id,
            shared: effective.is_some_and(|effective| registry.is_decision_replicated(effective)),
            state,
        }
    }

    /// `None` where the node is neither registered nor was to be.
    pub(super) fn view(&self) -> Option<NodeDetails> {
        let decision = self.decision();
        let Some(Entry { node, stats }) = self.state.entry() else {
            decision?.capacity?;
            return Some(NodeDetails::Refused(self.pending()));
        };
        Some(NodeDetails::Registered(RegisteredNode {
            node_id: node.node_id,
            capacity: node.capacity.clone(),
            enabled_at: Timestamp(node.enabled_at),
            advertised: self.state.is_advertised(),
            stats: *stats,
            decision,
        }))
    }

    pub(super) fn pending(&self) -> NodeChange {
        NodeChange {
            node_id: self.node_id,
            registered: self.state.entry().is_some(),
            advertised: self.state.is_advertised(),
            decision: self.decision(),
        }
    }

    fn decision(&self) -> Option<Decision> {
        let EffectiveDecision {
            decision, refused, ..
        } = self.state.decision()?;
        let (op, capacity) = match &decision.op {
            Op::Enable { capacity, .. } => (DecisionOp::Enable, Some(capacity.clone())),
            Op::Disable {} => (DecisionOp::Disable, None),
        };
        Some(Decision {
            op,
            at: Timestamp(decision.at.time()),
            by: decision.by,
            replicated: self.shared,
            capacity,
            refused: refused.clone(),
        })
    }
}

pub(super) fn node((node, advertised): (&EdgeCacheNode, bool)) -> Node {
    Node {
        node_id: node.node_id,
        capacity: node.capacity.clone(),
        enabled_at: Timestamp(node.enabled_at),
        advertised,
    }
}

/// A view as it is sent.
pub(super) fn encode(view: &impl Serialize) -> Bytes {
    let mut body = Vec::with_capacity(NODE_BYTES);
    // Texts and numbers: there is nothing in it that JSON could not say.
    let _ = serde_json::to_writer(&mut body, view);
    Bytes::from(body)
}

/// An answer of JSON.
pub(super) fn json(body: Bytes) -> Response {
    ([(CONTENT_TYPE, JSON)], body).into_response()
}
