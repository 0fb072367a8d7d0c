//! One node: enabled, disabled, looked at.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::time;
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::extract::{Json, Node, Query, object};
use super::kinds;
use super::problem::{Problem, quoted};
use super::refusals::{NotMade, Refusals, Unknown, WrongBody, WrongNodeId, WrongQuery};
use super::views::{self, Known, KnownView, PendingView};
use crate::settings::values;
use edge_cache_core::NodeId;
use edge_cache_host::{EdgeCacheError, NodeCapacity, NodeState};

/// The longest wait for labels that a client may ask for.
pub const WAIT_MAX: Duration = Duration::from_secs(60);

/// A registration, as ZLayer's.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Registration {
    #[serde(deserialize_with = "object")]
    capacity: NodeCapacity,
}

/// The query of a change.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Waiting {
    /// How long to wait for the labels to follow, at most 60 s, with a unit: `200ms` or `5s`.
    #[param(pattern = "^[0-9]{1,5}(ms|s|m)$", example = "5s")]
    wait: Option<String>,
}

/// Enables a node, over what it was: its counters go back to zero. Any agent may be asked about any node;
/// the decision travels, and the node's own agent shows its labels.
#[utoipa::path(
    post,
    path = "/api/v1/nodes/{id}/edge-cache",
    operation_id = "enable_node",
    tag = "nodes",
    security((), ("bearer" = ["write"])),
    params(Node, Waiting),
    request_body(content = Registration, content_type = "application/json", description = "At most 64 KiB."),
    responses(
        (status = 204, description = "The node is enabled, and its labels have followed where they were waited for."),
        (status = 202, description = "The node is enabled; its labels did not follow in time.", body = PendingView),
        Refusals<(WrongNodeId, WrongQuery, WrongBody, NotMade)>
    )
)]
pub(super) async fn enable(
    State(state): State<AppState>,
    Node(node_id): Node,
    Query(waiting): Query<Waiting>,
    Json(registration): Json<Registration>,
) -> Result<Response, Problem> {
    let wait = waiting.time()?;
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
    params(Node, Waiting),
    responses(
        (status = 204, description = "The node is disabled, and its labels are gone where that was waited for."),
        (status = 202, description = "The node is disabled; its labels were not gone in time.", body = PendingView),
        Refusals<(WrongNodeId, WrongQuery, Unknown, NotMade)>
    )
)]
pub(super) async fn disable(
    State(state): State<AppState>,
    Node(node_id): Node,
    Query(waiting): Query<Waiting>,
) -> Result<Response, Problem> {
    let wait = waiting.time()?;
    let registry = &state.registry;
    registry.disable(node_id).await?;
    Ok(followed(&state, node_id, wait, |node| !node.advertises_labels()).await)
}

impl Waiting {
    fn time(&self) -> Result<Duration, Problem> {
        let Some(text) = &self.wait else {
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
        (status = 200, description = "What is known.", body = KnownView),
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
