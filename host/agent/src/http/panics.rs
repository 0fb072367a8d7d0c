//! The answer to a request whose handler panicked.

use std::any::Any;

use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use edge_cache_api::ProblemType;

/// Logs a panic in the span of its request, and answers 500.
pub(super) fn answer_panic(panic: Box<dyn Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(message, "a request handler panicked");
    Problem::new(
        ProblemType::Internal,
        "the agent failed while it answered; its log has the request id of the header `x-request-id`",
    )
    .into_response()
}
