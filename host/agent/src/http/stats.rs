//! Handlers of the cache counters of one node.

use axum::extract::State;

use super::extract::{Json, Node};
use super::problem::Problem;
use super::problem_responses::{NotMade, Problems, Unknown, WrongBody, WrongNodeId};
use super::state::AppState;
use edge_cache_api::EdgeCacheStats;

/// Shows the counters of a node since it was last enabled, as this agent counted them; zeros where it is not
/// registered.
#[utoipa::path(
    get,
    path = "/api/v1/nodes/{id}/edge-cache/stats",
    operation_id = "show_stats",
    tag = "nodes",
    params(Node),
    responses(
        (status = 200, description = "The counters.", body = EdgeCacheStats),
        Problems<(WrongNodeId,)>
    )
)]
pub(super) async fn stats(
    State(state): State<AppState>,
    Node(node_id): Node,
) -> axum::Json<EdgeCacheStats> {
    axum::Json(state.registry.stats(node_id))
}

/// Adds to the counters of a node. A counter stays at its largest value.
#[utoipa::path(
    post,
    path = "/api/v1/nodes/{id}/edge-cache/stats",
    operation_id = "add_stats",
    tag = "nodes",
    params(Node),
    request_body(content = EdgeCacheStats, content_type = "application/json", description = "The numbers to add."),
    responses(
        (status = 200, description = "The totals.", body = EdgeCacheStats),
        Problems<(WrongNodeId, WrongBody, Unknown, NotMade)>
    )
)]
pub(super) async fn add_stats(
    State(state): State<AppState>,
    Node(node_id): Node,
    Json(delta): Json<EdgeCacheStats>,
) -> Result<axum::Json<EdgeCacheStats>, Problem> {
    Ok(axum::Json(state.registry.add_stats(node_id, delta).await?))
}
