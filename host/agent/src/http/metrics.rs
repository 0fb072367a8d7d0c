//! The agent's metrics endpoint.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::AppState;
use super::refusals::Refusals;
use crate::metrics::MEDIA_TYPE;

/// Prometheus metrics of the agent.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "show_metrics",
    tag = "agent",
    security((), ("bearer" = ["read"])),
    responses(
        (status = 200, description = "The metrics, as Prometheus text.", body = String,
         content_type = "text/plain; version=0.0.4; charset=utf-8"),
        Refusals<()>
    )
)]
pub(super) async fn metrics(State(state): State<AppState>) -> impl IntoResponse {
    let subscribers = i64::try_from(state.events.subscribers()).unwrap_or(i64::MAX);
    state.metrics.http.event_subscribers.set(subscribers);
    ([(CONTENT_TYPE, MEDIA_TYPE)], state.metrics.encode())
}
