//! The registry: one node, its counters, and all nodes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::time;

use super::AppState;
use super::extract::{Json, Node, Query, object};
use super::problem::{Problem, quoted};
use crate::agent::cli;
use crate::types::NodeId;
use crate::{EdgeCacheError, EdgeCacheNode, EdgeCacheStats, NodeCapacity};

/// The longest wait for labels that a client may ask for.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(60);
/// How often a wait looks for the labels.
const LOOK_PAUSE: Duration = Duration::from_millis(10);

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
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<DecisionView>,
}

/// What all agents go by; where the component refused it, the entry is still the one of before.
#[derive(Debug, Serialize)]
struct DecisionView {
    op: String,
    /// RFC 3339, UTC, milliseconds.
    at: String,
    /// The node whose agent decided.
    by: NodeId,
    /// Whether another agent carries it: it outlives this one then.
    shared: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity: Option<NodeCapacity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

/// A node whose labels were waited for in vain, or whose decision the component refused.
#[derive(Debug, Serialize)]
struct PendingView {
    node_id: NodeId,
    /// Whether the node is registered now.
    registered: bool,
    /// Whether it is seen to advertise what follows from its entry.
    advertised: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<DecisionView>,
}

/// The query of a change.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Waiting {
    /// How long to wait for the labels to follow, for instance `5s`.
    wait: Option<String>,
}

#[derive(Debug, Serialize)]
struct ListView {
    nodes: Vec<NodeView>,
}

pub(super) async fn enable(
    State(state): State<AppState>,
    Node(node_id): Node,
    Query(waiting): Query<Waiting>,
    Json(registration): Json<Registration>,
) -> Result<Response, Problem> {
    let wait = waiting.time()?;
    let registry = &state.registry;
    registry.enable(node_id, registration.capacity).await?;
    Ok(followed(&state, node_id, wait, || registry.is_advertised(node_id)).await)
}

pub(super) async fn disable(
    State(state): State<AppState>,
    Node(node_id): Node,
    Query(waiting): Query<Waiting>,
) -> Result<Response, Problem> {
    let wait = waiting.time()?;
    let registry = &state.registry;
    registry.disable(node_id).await?;
    Ok(followed(&state, node_id, wait, || !registry.shows_labels(node_id)).await)
}

impl Waiting {
    fn time(&self) -> Result<Duration, Problem> {
        let Some(text) = &self.wait else {
            return Ok(Duration::ZERO);
        };
        let time = cli::parse_time(text).ok().filter(|time| *time <= WAIT_MAX);
        time.ok_or_else(|| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "/problems/invalid-query",
                "The query is invalid",
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
    is_shown: impl Fn() -> bool,
) -> Response {
    if wait.is_zero() {
        return StatusCode::NO_CONTENT.into_response();
    }
    // The labels of a node come from several places: it is cheaper to look than to follow all of them.
    let mut looks = time::interval(LOOK_PAUSE);
    let shown = time::timeout(wait, async {
        // An agent that is stopping keeps nobody waiting, itself least of all.
        while !is_shown() && !state.stopping.load(Ordering::Acquire) {
            looks.tick().await;
        }
    });
    let _ = shown.await;
    if is_shown() {
        return StatusCode::NO_CONTENT.into_response();
    }
    (StatusCode::ACCEPTED, axum::Json(pending(state, node_id))).into_response()
}

fn pending(state: &AppState, node_id: NodeId) -> PendingView {
    PendingView {
        node_id,
        registered: state.registry.is_enabled(node_id),
        advertised: state.registry.is_advertised(node_id),
        decision: decision(state, node_id),
    }
}

pub(super) async fn entry(
    State(state): State<AppState>,
    Node(node_id): Node,
) -> Result<Response, Problem> {
    let Some(entry) = state.registry.entry(node_id) else {
        // All others list it: here it shows why this agent does not.
        let standing = state.registry.standing(node_id);
        if standing.is_some_and(|standing| standing.decision.enabled().is_some()) {
            return Ok(axum::Json(pending(&state, node_id)).into_response());
        }
        return Err(EdgeCacheError::NodeNotFound(node_id).into());
    };
    let view = EntryView {
        node: view(&state, &entry.node),
        stats: entry.stats,
        decision: decision(&state, node_id),
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

fn rfc3339(time: std::time::SystemTime) -> String {
    // Every time in the registry is between 1970 and 9999.
    jiff::Timestamp::try_from(time)
        .map(|time| time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
        .unwrap_or_default()
}
