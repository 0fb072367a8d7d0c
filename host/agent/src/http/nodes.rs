//! One node: enabled, disabled, looked at.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::time;

use super::AppState;
use super::extract::{Json, Node, Query};
use super::kinds;
use super::problem::{Problem, quoted};
use super::refusals::{NotMade, Refusals, Unknown, WrongBody, WrongNodeId, WrongQuery};
use super::views::{self, Known};
use crate::settings::values;
use edge_cache_api::limits::WAIT_MAX;
use edge_cache_api::{ChangeQuery, NodeChange, NodeDetails, Registration};
use edge_cache_core::NodeId;
use edge_cache_host::{EdgeCacheError, NodeState};

/// Enables a node, over what it was: its counters go back to zero. Any agent may be asked about any node;
/// the decision travels, and the node's own agent shows its labels.
#[utoipa::path(
    post,
    path = "/api/v1/nodes/{id}/edge-cache",
    operation_id = "enable_node",
    tag = "nodes",
    security((), ("bearer" = ["write"])),
    params(Node, ChangeQuery),
    request_body(content = Registration, content_type = "application/json", description = "At most 64 KiB."),
    responses(
        (status = 204, description = "The node is enabled, and its labels have followed where they were waited for."),
        (status = 202, description = "The node is enabled; its labels did not follow in time.", body = NodeChange),
        Refusals<(WrongNodeId, WrongQuery, WrongBody, NotMade)>
    )
)]
pub(super) async fn enable(
    State(state): State<AppState>,
    Node(node_id): Node,
    Query(query): Query<ChangeQuery>,
    Json(registration): Json<Registration>,
) -> Result<Response, Problem> {
    let wait = wait_of(&query)?;
    let registry = &state.registry;
    registry.enable(node_id, registration.capacity).await?;
    Ok(followed(&state, node_id, wait, NodeState::is_advertised).await)
}

/// Disables a node.
#[utoipa::path(
    delete,
    path = "/api/v1/nodes/{id}/edge-cache",
    operation_id = "disable_node",
    tag = "nodes",
    security((), ("bearer" = ["write"])),
    params(Node, ChangeQuery),
    responses(
        (status = 204, description = "The node is disabled, and its labels are gone where that was waited for."),
        (status = 202, description = "The node is disabled; its labels were not gone in time.", body = NodeChange),
        Refusals<(WrongNodeId, WrongQuery, Unknown, NotMade)>
    )
)]
pub(super) async fn disable(
    State(state): State<AppState>,
    Node(node_id): Node,
    Query(query): Query<ChangeQuery>,
) -> Result<Response, Problem> {
    let wait = wait_of(&query)?;
    let registry = &state.registry;
    registry.disable(node_id).await?;
    Ok(followed(&state, node_id, wait, |node| !node.advertises_labels()).await)
}

fn wait_of(query: &ChangeQuery) -> Result<Duration, Problem> {
    let Some(text) = &query.wait else {
        return Ok(Duration::ZERO);
    };
    let time = values::parse_time(text)
        .ok()
        .filter(|time| *time <= WAIT_MAX);
    time.ok_or_else(|| {
        Problem::new(
            &kinds::INVALID_QUERY,
            format!(
                "`wait` is a time of at most {} s with a unit, such as 200ms or 5s; {} is not",
                WAIT_MAX.as_secs(),
                quoted(text)
            ),
        )
    })
}

/// The answer to a change that was made: 204, or 202 with the state where the labels were to be waited for
/// and did not follow in time.
async fn followed(
    state: &AppState,
    node_id: NodeId,
    wait: Duration,
    is_shown: impl Fn(&NodeState) -> bool,
) -> Response {
    if wait.is_zero() {
        return StatusCode::NO_CONTENT.into_response();
    }
    let shown = async {
        tokio::select! {
            () = state.registry.wait_until(node_id, &is_shown) => {}
            // An agent that is stopping answers at once.
            () = state.stop.clone().wait() => {}
        }
    };
    let _ = time::timeout(wait, shown).await;
    if is_shown(&state.registry.node(node_id)) {
        return StatusCode::NO_CONTENT.into_response();
    }
    let known = Known::now(&state.registry, node_id);
    let pending = views::encode(&known.pending());
    (StatusCode::ACCEPTED, views::json(pending)).into_response()
}

/// All that is known of a node. Where the component refused the decision that stands, it says so.
#[utoipa::path(
    get,
    path = "/api/v1/nodes/{id}/edge-cache",
    operation_id = "show_node",
    tag = "nodes",
    security((), ("bearer" = ["read"])),
    params(Node),
    responses(
        (status = 200, description = "What is known.", body = NodeDetails),
        Refusals<(WrongNodeId, Unknown)>
    )
)]
pub(super) async fn entry(
    State(state): State<AppState>,
    Node(node_id): Node,
) -> Result<Response, Problem> {
    let known = Known::now(&state.registry, node_id);
    let view = known.view().ok_or(EdgeCacheError::NodeNotFound(node_id))?;
    Ok(views::json(views::encode(&view)))
}
