//! Nodes as clients see them, made of one look at the registry.
//!
//! Views borrow what they show: it is written into the answer and copied nowhere else.

use std::time::SystemTime;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::types::NodeId;
use crate::{
    EdgeCacheNode, EdgeCacheRegistry, EdgeCacheStats, Entry, NodeCapacity, Op, Snapshot, Standing,
};

/// Room for the JSON of one node and its decision, in bytes: a longer one takes more.
const NODE_BYTES: usize = 512;
/// The media type of every view.
pub(super) const JSON: &str = "application/json";

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

/// A time of the registry, which is between 1970 and 9999.
#[derive(Debug)]
struct Rfc3339(SystemTime);

/// The registry at one moment, and what the agents carry then.
#[derive(Debug)]
pub(super) struct Look<'a> {
    registry: &'a EdgeCacheRegistry,
    snapshot: Snapshot,
}

impl<'a> Look<'a> {
    pub(super) fn at(registry: &'a EdgeCacheRegistry) -> Self {
        Self {
            registry,
            snapshot: registry.snapshot(),
        }
    }

    /// `None` where the node is neither registered nor was to be.
    pub(super) fn known(&self, node_id: NodeId) -> Option<KnownView<'_>> {
        let decision = self.decision(node_id);
        let Some(Entry { node, stats }) = self.snapshot.entry(node_id) else {
            decision.as_ref()?.capacity?;
            return Some(KnownView::Refused(self.pending(node_id)));
        };
        let NodeView {
            node_id,
            capacity,
            enabled_at,
            advertised,
        } = node_view(&self.snapshot, node);
        Some(KnownView::Entry(EntryView {
            node_id,
            capacity,
            enabled_at,
            advertised,
            stats: *stats,
            decision,
        }))
    }

    pub(super) fn pending(&self, node_id: NodeId) -> PendingView<'_> {
        PendingView {
            node_id,
            registered: self.snapshot.entry(node_id).is_some(),
            advertised: self.snapshot.is_advertised(node_id),
            decision: self.decision(node_id),
        }
    }

    fn decision(&self, node_id: NodeId) -> Option<DecisionView<'_>> {
        let Standing { decision, refused } = self.snapshot.standing(node_id)?;
        let capacity = match &decision.op {
            Op::Enable { capacity, .. } => Some(capacity),
            Op::Disable {} => None,
        };
        Some(DecisionView {
            op: decision.op.name(),
            at: Rfc3339(decision.at.time()),
            by: decision.by,
            shared: self.registry.is_shared(node_id),
            capacity,
            refused: refused.as_deref(),
        })
    }
}

pub(super) fn node_view<'a>(snapshot: &Snapshot, node: &'a EdgeCacheNode) -> NodeView<'a> {
    NodeView {
        node_id: node.node_id,
        capacity: &node.capacity,
        enabled_at: Rfc3339(node.enabled_at),
        advertised: snapshot.is_advertised(node.node_id),
    }
}

/// A view as an answer.
pub(super) fn json(view: &impl Serialize) -> Response {
    let mut body = Vec::with_capacity(NODE_BYTES);
    // Texts and numbers: there is nothing in it that JSON could not say.
    let _ = serde_json::to_writer(&mut body, view);
    ([(CONTENT_TYPE, JSON)], body).into_response()
}

/// RFC 3339, UTC, milliseconds.
pub(super) fn rfc3339(time: SystemTime) -> String {
    // Every time in the registry is between 1970 and 9999.
    jiff::Timestamp::try_from(time)
        .map(|time| format!("{time:.3}"))
        .unwrap_or_default()
}

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let time = jiff::Timestamp::try_from(self.0).unwrap_or_default();
        serializer.collect_str(&format_args!("{time:.3}"))
    }
}
