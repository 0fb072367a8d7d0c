//! The registry: one node, its counters, and all nodes.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::AppState;
use super::extract::{Json, Node, object};
use super::problem::Problem;
use crate::types::NodeId;
use crate::{EdgeCacheError, EdgeCacheNode, EdgeCacheStats, NodeCapacity};

/// The body of a registration, as ZLayer's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Registration {
    #[serde(deserialize_with = "object")]
    capacity: NodeCapacity,
}

#[derive(Debug, Serialize)]
struct NodeView {
    node_id: NodeId,
    capacity: NodeCapacity,
    /// RFC 3339, UTC, milliseconds.
    enabled_at: String,
    advertised: bool,
}

#[derive(Debug, Serialize)]
struct EntryView {
    #[serde(flatten)]
    node: NodeView,
    stats: EdgeCacheStats,
}

#[derive(Debug, Serialize)]
struct ListView {
    nodes: Vec<NodeView>,
}

pub(super) async fn enable(
    State(state): State<AppState>,
    Node(node_id): Node,
    Json(registration): Json<Registration>,
) -> Result<StatusCode, Problem> {
    state
        .registry
        .enable(node_id, registration.capacity)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn disable(
    State(state): State<AppState>,
    Node(node_id): Node,
) -> Result<StatusCode, Problem> {
    state.registry.disable(node_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn entry(
    State(state): State<AppState>,
    Node(node_id): Node,
) -> Result<Response, Problem> {
    let entry = state
        .registry
        .entry(node_id)
        .ok_or(EdgeCacheError::NodeNotFound(node_id))?;
    let view = EntryView {
        node: view(&state, &entry.node),
        stats: entry.stats,
    };
    Ok(axum::Json(view).into_response())
}

pub(super) async fn stats(
    State(state): State<AppState>,
    Node(node_id): Node,
) -> axum::Json<EdgeCacheStats> {
    axum::Json(state.registry.stats(node_id))
}

pub(super) async fn add_stats(
    State(state): State<AppState>,
    Node(node_id): Node,
    Json(delta): Json<EdgeCacheStats>,
) -> Result<axum::Json<EdgeCacheStats>, Problem> {
    Ok(axum::Json(state.registry.add_stats(node_id, delta).await?))
}

pub(super) async fn list(State(state): State<AppState>) -> Response {
    let nodes = state
        .registry
        .list_eligible()
        .iter()
        .map(|node| view(&state, node))
        .collect();
    axum::Json(ListView { nodes }).into_response()
}

fn view(state: &AppState, node: &EdgeCacheNode) -> NodeView {
    NodeView {
        node_id: node.node_id,
        capacity: node.capacity.clone(),
        enabled_at: rfc3339(node.enabled_at),
        advertised: state.registry.is_advertised(node.node_id),
    }
}

fn rfc3339(time: std::time::SystemTime) -> String {
    // Every time in the registry is between 1970 and 9999.
    jiff::Timestamp::try_from(time)
        .map(|time| time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
        .unwrap_or_default()
}
