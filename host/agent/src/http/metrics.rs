//! Handler of the metrics.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::problem_responses::Problems;
use super::state::AppState;
use crate::metrics::MEDIA_TYPE;

/// Shows the metrics as Prometheus text. A series with labels appears with the first thing that it counts.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "show_metrics",
    tag = "agent",
    responses(
        (status = 200, description = "The metrics.", body = String,
         content_type = "text/plain; version=0.0.4; charset=utf-8"),
        Problems<()>
    )
)]
pub(super) async fn metrics(State(state): State<AppState>) -> impl IntoResponse {
    let subscribers = i64::try_from(state.events.subscribers()).unwrap_or(i64::MAX);
    state.metrics.http.event_subscribers.set(subscribers);
    ([(CONTENT_TYPE, MEDIA_TYPE)], state.metrics.encode())
}
