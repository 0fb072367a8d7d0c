//! Nodes as clients see them.

use std::time::SystemTime;

use serde::Serialize;
use utoipa::ToSchema;

use super::AppState;
use crate::types::NodeId;
use crate::{EdgeCacheNode, EdgeCacheStats, NodeCapacity};

/// One eligible node.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NodeView {
    #[schema(value_type = u64, maximum = 18446744073709551615u64)]
    node_id: NodeId,
    capacity: NodeCapacity,
    /// When it was enabled last: RFC 3339, UTC, milliseconds.
    #[schema(format = DateTime)]
    enabled_at: String,
    /// Whether it is seen to advertise exactly what follows from its entry.
    advertised: bool,
}

/// One eligible node and all that is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EntryView {
    #[serde(flatten)]
    node: NodeView,
    stats: EdgeCacheStats,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<DecisionView>,
}

/// What all agents go by; where the component refused it, the entry is still the one of before.
#[derive(Debug, Serialize, ToSchema)]
struct DecisionView {
    /// `enable` or `disable`.
    op: String,
    /// When it was taken: RFC 3339, UTC, milliseconds.
    #[schema(format = DateTime)]
    at: String,
    /// The node whose agent decided.
    #[schema(value_type = u64, maximum = 18446744073709551615u64)]
    by: NodeId,
    /// Whether another agent carries it: it outlives this one then.
    shared: bool,
    /// What was enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity: Option<NodeCapacity>,
    /// Why this agent's component refused it, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

/// A node whose labels were waited for in vain, or whose decision the component refused.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PendingView {
    #[schema(value_type = u64, maximum = 18446744073709551615u64)]
    node_id: NodeId,
    /// Whether the node is registered now.
    registered: bool,
    /// Whether it is seen to advertise what follows from its entry.
    advertised: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<DecisionView>,
}

/// What is known of a node.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum KnownView {
    /// It is registered.
    Entry(EntryView),
    /// All others list it: here it shows why this agent does not.
    Refused(PendingView),
}

pub(super) fn node(state: &AppState, node: &EdgeCacheNode) -> NodeView {
    NodeView {
        node_id: node.node_id,
        capacity: node.capacity.clone(),
        enabled_at: rfc3339(node.enabled_at),
        advertised: state.registry.is_advertised(node.node_id),
    }
}

/// `None` where the node is neither registered nor was to be.
pub(super) fn known(state: &AppState, node_id: NodeId) -> Option<KnownView> {
    if let Some(entry) = state.registry.entry(node_id) {
        return Some(KnownView::Entry(EntryView {
            node: node(state, &entry.node),
            stats: entry.stats,
            decision: decision(state, node_id),
        }));
    }
    let standing = state.registry.standing(node_id)?;
    standing.decision.enabled()?;
    Some(KnownView::Refused(pending(state, node_id)))
}

pub(super) fn pending(state: &AppState, node_id: NodeId) -> PendingView {
    PendingView {
        node_id,
        registered: state.registry.is_enabled(node_id),
        advertised: state.registry.is_advertised(node_id),
        decision: decision(state, node_id),
    }
}

fn decision(state: &AppState, node_id: NodeId) -> Option<DecisionView> {
    let standing = state.registry.standing(node_id)?;
    let decision = &standing.decision;
    Some(DecisionView {
        op: decision.op.to_string(),
        at: rfc3339(decision.at.time()),
        by: decision.by,
        shared: state.registry.is_shared(node_id),
        capacity: decision.enabled().map(|node| node.capacity),
        refused: standing.refused.clone(),
    })
}

/// RFC 3339, UTC, milliseconds.
pub(super) fn rfc3339(time: SystemTime) -> String {
    // Every time in the registry is between 1970 and 9999.
    jiff::Timestamp::try_from(time)
        .map(|time| format!("{time:.3}"))
        .unwrap_or_default()
}
