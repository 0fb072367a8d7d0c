//! Problem documents (RFC 9457), and the one place where an error becomes one.

use super::kinds::{self, Kind};
use axum::Json;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use edge_cache_api::Problem as Document;
use edge_cache_api::headers::PROBLEM_JSON;
use edge_cache_core::text;
use edge_cache_host::EdgeCacheError;

#[cfg(test)]
mod tests;

/// When a client should come again that was sent away for the moment, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");
/// How a client that did not say who it is may say so (RFC 6750).
const BEARER: HeaderValue = HeaderValue::from_static("Bearer");
/// How much of a request is repeated in an answer, in bytes.
pub(super) const QUOTED_BYTES_MAX: usize = 40;

/// An error as a client sees it.
#[derive(Debug)]
pub(super) struct Problem {
    kind: &'static Kind,
    detail: String,
}

impl Problem {
    pub(super) fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    pub(super) fn document(self) -> Document {
        Document::new(*self.kind, self.detail)
    }
}

impl From<EdgeCacheError> for Problem {
    fn from(error: EdgeCacheError) -> Self {
        use EdgeCacheError as E;
        let kind = match &error {
            E::Gossip(_) => &kinds::LABELS_REFUSED,
            E::InvalidCapacity(_) => &kinds::INVALID_CAPACITY,
            E::NodeNotFound(_) => &kinds::NODE_NOT_FOUND,
            E::Full { .. } => &kinds::REGISTRY_FULL,
            E::PluginFailed(_) => &kinds::PLUGIN_FAILED,
            E::StoreFailed(_) => &kinds::STORE_FAILED,
            E::Busy { .. } => &kinds::BUSY,
            E::ShuttingDown => &kinds::SHUTTING_DOWN,
        };
        Self::new(kind, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let kind = self.kind;
        let status = StatusCode::from_u16(kind.status()).unwrap_or_default();
        let mut response = (status, Json(self.document())).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if kind.is_temporary() {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, BEARER);
        }
        response
    }
}

pub(super) fn no_such_route(request: &Request) -> Problem {
    Problem::new(
        &kinds::NO_SUCH_ROUTE,
        format!("the API has no {}", quoted(request.uri().path())),
    )
}

pub(super) fn no_such_method(request: &Request) -> Problem {
    Problem::new(
        &kinds::NO_SUCH_METHOD,
        format!(
            "{} does not take {}; the header `Allow` says what it takes",
            quoted(request.uri().path()),
            quoted(request.method().as_str())
        ),
    )
}

/// A part of a request, fit to be repeated.
pub(super) fn quoted(input: &str) -> String {
    format!("`{}`", text::clean(input, QUOTED_BYTES_MAX))
}
