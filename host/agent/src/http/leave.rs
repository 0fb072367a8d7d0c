//! Handler that makes the agent leave the cluster.

use axum::extract::State;
use axum::http::StatusCode;

use super::problem_responses::Problems;
use super::state::AppState;
use crate::shutdown::ShutdownMode;

/// Makes the agent tell its peers that it leaves, and stop. Requests in progress are answered, this one first.
#[utoipa::path(
    post,
    path = "/api/v1/agent/leave",
    operation_id = "leave",
    tag = "agent",
    responses(
        (status = 202, description = "The agent is about to leave."),
        Problems<()>
    )
)]
pub(super) async fn leave(State(state): State<AppState>) -> StatusCode {
    if !state.stop.request(ShutdownMode::Leave) {
        tracing::info!("leave requested over HTTP");
    }
    StatusCode::ACCEPTED
}
