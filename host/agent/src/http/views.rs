//! Nodes as clients see them, made of one look at the registry.
//!
//! Views borrow what they show: it is written into the answer and copied nowhere else.

use std::time::SystemTime;

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use edge_cache_core::NodeId;
use edge_cache_host::{
    EdgeCacheNode, EdgeCacheRegistry, EdgeCacheStats, EffectiveDecision, Entry, NodeCapacity,
    NodeState, Op,
};

/// Room for the JSON of one node and its decision, in bytes: a longer one takes more.
const NODE_BYTES: usize = 512;
/// The media type of every view.
const JSON: &str = "application/json";

/// One eligible node.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NodeView<'a> {
    #[schema(value_type = u64, maximum = 18446744073709551615u64)]
    node_id: NodeId,
    #[schema(value_type = NodeCapacity)]
    capacity: &'a NodeCapacity,
    /// When it was enabled last: RFC 3339, UTC, milliseconds.
    #[schema(value_type = String, format = DateTime)]
    enabled_at: Rfc3339,
    /// Whether it is seen to advertise exactly what follows from its entry.
    advertised: bool,
}

/// One eligible node and all that is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EntryView<'a> {
    #[schema(value_type = u64, maximum = 18446744073709551615u64)]
    node_id: NodeId,
    #[schema(value_type = NodeCapacity)]
    capacity: &'a NodeCapacity,
    /// When it was enabled last: RFC 3339, UTC, milliseconds.
    #[schema(value_type = String, format = DateTime)]
    enabled_at: Rfc3339,
    /// Whether it is seen to advertise exactly what follows from its entry.
    advertised: bool,
    stats: EdgeCacheStats,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<DecisionView<'a>>,
}

/// What all agents go by; where the component refused it, the entry is still the one of before.
#[derive(Debug, Serialize, ToSchema)]
struct DecisionView<'a> {
    /// `enable` or `disable`.
    op: &'static str,
    /// When it was taken: RFC 3339, UTC, milliseconds.
    #[schema(value_type = String, format = DateTime)]
    at: Rfc3339,
    /// The node whose agent decided.
    #[schema(value_type = u64, maximum = 18446744073709551615u64)]
    by: NodeId,
    /// Whether another agent carries it: it outlives this one then.
    shared: bool,
    /// What was enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<NodeCapacity>)]
    capacity: Option<&'a NodeCapacity>,
    /// Why this agent's component refused it, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'a str>,
}

/// A node whose labels were waited for in vain, or whose decision the component refused.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PendingView<'a> {
    #[schema(value_type = u64, maximum = 18446744073709551615u64)]
    node_id: NodeId,
    /// Whether the node is registered now.
    registered: bool,
    /// Whether it is seen to advertise what follows from its entry.
    advertised: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<DecisionView<'a>>,
}

/// What is known of a node.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum KnownView<'a> {
    /// It is registered.
    Entry(EntryView<'a>),
    /// All others list it: here it shows why this agent does not.
    Refused(PendingView<'a>),
}

/// A time of the registry, which is between 1970 and 9999: RFC 3339, UTC, milliseconds.
#[derive(Debug)]
pub(super) struct Rfc3339(pub(super) SystemTime);

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
    pub(super) fn view(&self) -> Option<KnownView<'_>> {
        let decision = self.decision();
        let Some(Entry { node, stats }) = self.state.entry() else {
            decision?.capacity?;
            return Some(KnownView::Refused(self.pending()));
        };
        Some(KnownView::Entry(EntryView {
            node_id: node.node_id,
            capacity: &node.capacity,
            enabled_at: Rfc3339(node.enabled_at),
            advertised: self.state.is_advertised(),
            stats: *stats,
            decision,
        }))
    }

    pub(super) fn pending(&self) -> PendingView<'_> {
        PendingView {
            node_id: self.node_id,
            registered: self.state.entry().is_some(),
            advertised: self.state.is_advertised(),
            decision: self.decision(),
        }
    }

    fn decision(&self) -> Option<DecisionView<'_>> {
        let EffectiveDecision {
            decision, refused, ..
        } = self.state.decision()?;
        let capacity = match &decision.op {
            Op::Enable { capacity, .. } => Some(capacity),
            Op::Disable {} => None,
        };
        Some(DecisionView {
            op: decision.op.name(),
            at: Rfc3339(decision.at.time()),
            by: decision.by,
            shared: self.shared,
            capacity,
            refused: refused.as_deref(),
        })
    }
}

pub(super) fn node((node, advertised): (&EdgeCacheNode, bool)) -> NodeView<'_> {
    NodeView {
        node_id: node.node_id,
        capacity: &node.capacity,
        enabled_at: Rfc3339(node.enabled_at),
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

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let time = jiff::Timestamp::try_from(self.0).unwrap_or_default();
        serializer.collect_str(&format_args!("{time:.3}"))
    }
}
