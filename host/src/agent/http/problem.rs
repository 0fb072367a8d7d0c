//! Problem documents (RFC 9457), and the one place where an error becomes one.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::EdgeCacheError;
use crate::text;

#[cfg(test)]
mod tests;

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");
/// When a client that met a full queue should come again, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");
/// How much of a request is repeated in an answer, in bytes.
pub(super) const QUOTED_BYTES_MAX: usize = 40;

/// An error as a client sees it.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    /// A stable name of the kind of problem, relative to the API.
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    #[serde(serialize_with = "as_number")]
    status: StatusCode,
    detail: String,
}

impl Problem {
    /// A problem whose `kind` is a path such as `/problems/invalid-body`.
    pub(super) fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            title,
            status,
            detail: detail.into(),
        }
    }
}

impl From<EdgeCacheError> for Problem {
    fn from(error: EdgeCacheError) -> Self {
        use EdgeCacheError as E;
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        let (status, kind, title) = match &error {
            E::Gossip(_) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "/problems/labels-refused",
                "The labels are refused",
            ),
            E::InvalidCapacity(_) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "/problems/invalid-capacity",
                "The capacity is invalid",
            ),
            E::NodeNotFound(_) => (
                StatusCode::NOT_FOUND,
                "/problems/node-not-found",
                "The node is not registered",
            ),
            E::Full { .. } => (
                StatusCode::CONFLICT,
                "/problems/registry-full",
                "The registry is full",
            ),
            E::PluginFailed(_) => (
                unavailable,
                "/problems/plugin-failed",
                "The component failed",
            ),
            E::StoreFailed(_) => (unavailable, "/problems/store-failed", "The store failed"),
            E::Busy { .. } => (unavailable, "/problems/busy", "The registry is busy"),
            E::ShuttingDown => (
                unavailable,
                "/problems/shutting-down",
                "The agent is stopping",
            ),
        };
        Self::new(status, kind, title, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status;
        let busy = self.kind == "/problems/busy";
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, MEDIA_TYPE);
        if busy {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        response
    }
}

pub(super) async fn no_such_route(uri: Uri) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "/problems/no-such-route",
        "There is no such route",
        format!("the API has no {}", quoted(uri.path())),
    )
}

pub(super) async fn no_such_method(method: Method, uri: Uri) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "/problems/no-such-method",
        "The route does not take this method",
        format!(
            "{} does not take {}; the header `Allow` says what it takes",
            quoted(uri.path()),
            quoted(method.as_str())
        ),
    )
}

/// A part of a request, fit to be repeated.
pub(super) fn quoted(input: &str) -> String {
    format!("`{}`", text::clean(input, QUOTED_BYTES_MAX))
}

fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}
