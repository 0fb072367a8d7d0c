//! Handlers for one node: enable, disable, show.

use axum::extract::State;
use axum::response::Response;

use super::extract::{Json, Node};
use super::problem::Problem;
use super::problem_responses::{NotMade, Problems, TooManyWaits, Unknown, WrongBody, WrongNodeId};
use super::query::QueryParams;
use super::state::AppState;
use super::views::{self, KnownNode};
use super::wait::Waiter;
use edge_cache_api::{ChangeQuery, NodeChange, NodeDetails, Registration};
use edge_cache_host::{EdgeCacheError, NodeState};

/// Enables a node, over what it was: its counters go back to zero. Any agent accepts this for any node; the decision
/// travels, and the node's own agent advertises its labels. At most 64 requests wait for labels at a time.
#[utoipa::path(
    post,
    path = "/api/v1/nodes/{id}/edge-cache",
    operation_id = "enable_node",
    tag = "nodes",
    params(Node, ChangeQuery),
    request_body(content = Registration, content_type = "application/json", description = "At most 64 KiB."),
    responses(
        (status = 204, description = "The node is enabled, and its labels have followed where the request waited."),
        (status = 202, description = "The node is enabled; its labels did not follow in time.", body = NodeChange),
        Problems<(WrongNodeId, WrongBody, NotMade, TooManyWaits)>
    )
)]
pub(super) async fn enable(
    State(state): State<AppState>,
    Node(node_id): Node,
    query: QueryParams,
    Json(registration): Json<Registration>,
) -> Result<Response, Problem> {
    let waiter = Waiter::new(&state, &query)?;
    state
        .registry
        .enable(node_id, registration.capacity)
        .await?;
    Ok(waiter.answer(node_id, NodeState::is_advertised).await)
}

/// Disables a node. At most 64 requests wait for labels at a time.
#[utoipa::path(
    delete,
    path = "/api/v1/nodes/{id}/edge-cache",
    operation_id = "disable_node",
    tag = "nodes",
    params(Node, ChangeQuery),
    responses(
        (status = 204, description = "The node is disabled, and its labels are gone where the request waited."),
        (status = 202, description = "The node is disabled; its labels were not gone in time.", body = NodeChange),
        Problems<(WrongNodeId, Unknown, NotMade, TooManyWaits)>
    )
)]
pub(super) async fn disable(
    State(state): State<AppState>,
    Node(node_id): Node,
    query: QueryParams,
) -> Result<Response, Problem> {
    let waiter = Waiter::new(&state, &query)?;
    state.registry.disable(node_id).await?;
    let is_gone = |node: &NodeState| !node.advertises_labels();
    Ok(waiter.answer(node_id, is_gone).await)
}

/// Shows the state of a node, and why the plugin refused its decision where it did.
#[utoipa::path(
    get,
    path = "/api/v1/nodes/{id}/edge-cache",
    operation_id = "show_node",
    tag = "nodes",
    params(Node),
    responses(
        (status = 200, description = "The state of the node.", body = NodeDetails),
        Problems<(WrongNodeId, Unknown)>
    )
)]
pub(super) async fn entry(
    State(state): State<AppState>,
    Node(node_id): Node,
) -> Result<Response, Problem> {
    let known = KnownNode::now(&state.registry, node_id);
    let details = known
        .details()
        .ok_or(EdgeCacheError::NodeNotFound(node_id))?;
    Ok(views::json(views::encode(&details)))
}
