//! The agent's end, asked for over HTTP.

use axum::extract::State;
use axum::http::StatusCode;

use super::problem_responses::Problems;
use super::state::AppState;
use crate::shutdown::ShutdownMode;

/// Has the agent tell its peers that it leaves, and stop in order. Requests under way are answered, this one
/// first.
#[utoipa::path(
    post,
    path = "/api/v1/agent/leave",
    operation_id = "leave",
    tag = "agent",
    responses(
        (status = 202, description = "It is about to leave."),
        Problems<()>
    )
)]
pub(super) async fn leave(State(state): State<AppState>) -> StatusCode {
    if !state.stop.request(ShutdownMode::Leave) {
        tracing::info!("asked over HTTP to leave");
    }
    StatusCode::ACCEPTED
}
