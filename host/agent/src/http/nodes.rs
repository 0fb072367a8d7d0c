//! Handlers for one node: enable, disable, show, counters.

use axum::extract::State;
use axum::response::Response;

use super::extract::{Json, Node, Source};
use super::problem::Problem;
use super::query::QueryParams;
use super::state::AppState;
use super::views::{self, KnownNode};
use super::wait::Waiter;
use edge_cache_api::{
    ChangeQuery, EdgeCacheStats, NodeChange, NodeDetails, NodeStats, Registration,
};
use edge_cache_host::{NodeState, SourceId};

/// Enables a node, over what it was: its counters go back to zero. Any agent accepts this for any node; the decision
/// travels, and the node's own agent advertises its labels. At most 64 requests wait for labels at a time.
#[utoipa::path(
    post,
    path = "/api/v1/nodes/{id}/edge-cache",
    tag = "nodes",
    params(Node, ChangeQuery),
    request_body(content = Registration, content_type = "application/json", description = "At most 64 KiB."),
    responses(
        (status = 204, description = "The node is enabled, and its labels have followed where the request waited."),
        (status = 202, description = "The node is enabled; its labels did not follow in time, or its own agent refuses it.", body = NodeChange)
    )
)]
pub(super) async fn enable_node(
    State(state): State<AppState>,
    Node(node_id): Node,
    query: QueryParams,
    Json(registration, _): Json<Registration>,
) -> Result<Response, Problem> {
    let waiter = Waiter::new(&state, &query)?;
    state
        .registry
        .enable(node_id, registration.capacity)
        .await?;
    let is_advertised = |node: &NodeState| node.advertised() == Some(true);
    Ok(waiter.answer(node_id, is_advertised).await)
}

/// Disables a node. At most 64 requests wait for labels at a time.
#[utoipa::path(
    delete,
    path = "/api/v1/nodes/{id}/edge-cache",
    tag = "nodes",
    params(Node, ChangeQuery),
    responses(
        (status = 204, description = "The node is disabled, and its labels are gone where the request waited: its own agent follows, or it has none."),
        (status = 202, description = "The node is disabled; its labels were not gone in time, its own agent refuses it, or others may still see its labels.", body = NodeChange)
    )
)]
pub(super) async fn disable_node(
    State(state): State<AppState>,
    Node(node_id): Node,
    query: QueryParams,
) -> Result<Response, Problem> {
    let waiter = Waiter::new(&state, &query)?;
    state.registry.disable(node_id).await?;
    let is_gone = |node: &NodeState| node.is_gone() && !state.may_be_seen(node_id, node);
    Ok(waiter.answer(node_id, is_gone).await)
}

/// Shows the state of a node, and why the plugin refused its decision where it did.
#[utoipa::path(
    get,
    path = "/api/v1/nodes/{id}/edge-cache",
    tag = "nodes",
    params(Node),
    responses(
        (status = 200, description = "The state of the node.", body = NodeDetails)
    )
)]
pub(super) async fn show_node(
    State(state): State<AppState>,
    Node(node_id): Node,
) -> Result<axum::Json<NodeDetails>, Problem> {
    let known = KnownNode::now(&state.registry, node_id);
    let details = known
        .details()
        .ok_or_else(|| state.registry.missing(node_id))?;
    Ok(axum::Json(details))
}

/// Shows the counters of a node since it was last enabled; zeros where it is not registered. They belong to the node's
/// own agent, which publishes them at most every 10 s; of a node without a live agent, each agent counts by itself.
#[utoipa::path(
    get,
    path = "/api/v1/nodes/{id}/edge-cache/stats",
    tag = "nodes",
    params(Node),
    responses(
        (status = 200, description = "The counters.", body = NodeStats)
    )
)]
pub(super) async fn show_stats(
    State(state): State<AppState>,
    Node(node_id): Node,
) -> axum::Json<NodeStats> {
    axum::Json(KnownNode::now(&state.registry, node_id).stats())
}

/// Adds to the counters of a node. A counter stays at its largest value. While the node's own agent lives, only that
/// one takes them.
#[utoipa::path(
    post,
    path = "/api/v1/nodes/{id}/edge-cache/stats",
    tag = "nodes",
    params(Node),
    request_body(content = EdgeCacheStats, content_type = "application/json", description = "The numbers to add."),
    responses(
        (status = 200, description = "The totals.", body = NodeStats)
    )
)]
pub(super) async fn add_stats(
    State(state): State<AppState>,
    Node(node_id): Node,
    Json(delta, _): Json<EdgeCacheStats>,
) -> Result<axum::Json<NodeStats>, Problem> {
    let totals = state.registry.add_stats(node_id, delta).await?;
    let totals = views::stats(totals, state.registry.node_id());
    Ok(axum::Json(totals))
}

/// Takes the absolute counters of a source, such as a cache on the node, and adds their difference to the last ones. The
/// same counters again change nothing. If one of them has fallen, or the source is new, it counts from zero. The last
/// counters outlive a disabled node and a restart. While the node's own agent lives, only that one takes them.
#[utoipa::path(
    put,
    path = "/api/v1/nodes/{id}/edge-cache/stats/sources/{source}",
    tag = "nodes",
    params(Node, Source),
    request_body(content = EdgeCacheStats, content_type = "application/json", description = "The counters of the source since it began to count."),
    responses(
        (status = 200, description = "The totals of the node.", body = NodeStats)
    )
)]
pub(super) async fn put_source(
    State(state): State<AppState>,
    Node(node_id): Node,
    Source(name): Source,
    Json(counters, _): Json<EdgeCacheStats>,
) -> Result<axum::Json<NodeStats>, Problem> {
    let source = SourceId { node_id, name };
    let totals = state.registry.put_source(source, counters).await?;
    let totals = views::stats(totals, state.registry.node_id());
    Ok(axum::Json(totals))
}
