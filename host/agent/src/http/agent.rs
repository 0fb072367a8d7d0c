//! Handlers for the agent itself: health, metrics, leave.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::state::AppState;
use crate::metrics::MEDIA_TYPE;
use crate::shutdown::ShutdownMode;
use edge_cache_api::{Health, PluginState};
use edge_cache_host::gossip::GossipPool;

type Answer = (StatusCode, Json<Health>);

/// Answers 503 while gossip is being restarted, and after a failure that only a restart of the process repairs.
#[utoipa::path(
    get,
    path = "/health/livez",
    tag = "agent",
    responses(
        (status = 200, description = "The agent is alive.", body = Health),
        (status = 503, description = "The agent is not, for these reasons.", body = Health)
    )
)]
pub(super) async fn livez(State(state): State<AppState>) -> Answer {
    answer(state.dead())
}

/// Answers 503 while the agent does not accept changes.
#[utoipa::path(
    get,
    path = "/health/readyz",
    tag = "agent",
    responses(
        (status = 200, description = "The agent accepts changes.", body = Health),
        (status = 503, description = "The agent is not, for these reasons.", body = Health)
    )
)]
pub(super) async fn readyz(State(state): State<AppState>) -> Answer {
    answer(state.unready())
}

/// Shows the metrics as Prometheus text. A series with labels appears with the first thing that it counts.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "agent",
    responses(
        (status = 200, description = "The metrics.", body = String,
         content_type = "text/plain; version=0.0.4; charset=utf-8")
    )
)]
pub(super) async fn show_metrics(State(state): State<AppState>) -> impl IntoResponse {
    let subscribers = i64::try_from(state.events.subscribers()).unwrap_or(i64::MAX);
    state.metrics.http.event_subscribers.set(subscribers);
    ([(CONTENT_TYPE, MEDIA_TYPE)], state.metrics.encode())
}

/// Makes the agent tell its peers that it leaves, and stop. Requests in progress are answered, this one first.
#[utoipa::path(
    post,
    path = "/api/v1/agent/leave",
    tag = "agent",
    responses((status = 202, description = "The agent is about to leave."))
)]
pub(super) async fn leave(State(state): State<AppState>) -> StatusCode {
    if !state.stop.request(ShutdownMode::Leave) {
        tracing::info!("leave requested over HTTP");
    }
    StatusCode::ACCEPTED
}

impl AppState {
    /// Returns why the agent is not alive; empty where it is. A stopping agent ends its own parts, and counts as alive.
    pub(crate) fn dead(&self) -> Vec<String> {
        if self.is_stopping() {
            return Vec::new();
        }
        let gossip = self
            .gossip
            .as_ref()
            .is_some_and(|pool| !pool.is_running())
            .then(|| "gossip has ended and is being started again".to_string());
        let registry = (!self.registry.is_running())
            .then(|| "a thread or a task of the registry has ended".to_string());
        let tasks = self.stop.ended_tasks().into_iter();
        let tasks = tasks.map(|name| format!("{name} ended: see the log for a panic"));
        gossip.into_iter().chain(registry).chain(tasks).collect()
    }

    /// Returns why the agent does not accept changes; empty where it does.
    pub(crate) fn unready(&self) -> Vec<String> {
        let mut reasons = self.dead();
        if let Some(address) = self.gossip.as_ref().and_then(GossipPool::duplicate_node) {
            reasons.push(format!(
                "the agent at {address} has this node's id and was started later: one of them must go"
            ));
        }
        let status = self.registry.status();
        if status.state != PluginState::Running {
            let failure = status
                .last_failure
                .unwrap_or_else(|| "it is being started".to_string());
            reasons.push(format!("the plugin is not running: {failure}"));
        }
        if let Some(failure) = status.store_failure {
            reasons.push(format!("the store failed: {failure}"));
        }
        if self.is_stopping() {
            reasons.push("the agent is stopping".to_string());
        }
        reasons
    }

    fn is_stopping(&self) -> bool {
        self.stop.requested().is_some()
    }
}

fn answer(reasons: Vec<String>) -> Answer {
    let ok = reasons.is_empty();
    let status = if ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(Health { ok, reasons }))
}
