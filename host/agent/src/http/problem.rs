//! Problem documents (RFC 9457): every error becomes one here.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use edge_cache_api::Problem as Document;
use edge_cache_api::ProblemType;
use edge_cache_api::headers::PROBLEM_JSON;
use edge_cache_core::text;
use edge_cache_host::EdgeCacheError;

#[cfg(test)]
mod tests;

/// The header `Retry-After` of a temporary problem, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");
/// The header `WWW-Authenticate` (RFC 6750).
const BEARER: HeaderValue = HeaderValue::from_static("Bearer");
/// The most bytes of a request that an answer repeats.
pub(super) const QUOTED_BYTES_MAX: usize = 40;

/// An error for a client.
#[derive(Debug)]
pub(super) struct Problem {
    problem_type: ProblemType,
    detail: String,
}

impl Problem {
    pub(super) fn new(problem_type: ProblemType, detail: impl Into<String>) -> Self {
        Self {
            problem_type,
            detail: detail.into(),
        }
    }

    pub(super) fn document(self) -> Document {
        Document::new(self.problem_type, self.detail)
    }
}

impl From<EdgeCacheError> for Problem {
    fn from(error: EdgeCacheError) -> Self {
        use EdgeCacheError as E;
        let problem_type = match &error {
            E::Gossip(_) => ProblemType::LabelsRefused,
            E::InvalidCapacity(_) => ProblemType::InvalidCapacity,
            E::NodeNotFound(_) => ProblemType::NodeNotFound,
            E::Full { .. } => ProblemType::RegistryFull,
            E::PluginFailed(_) => ProblemType::PluginFailed,
            E::StoreFailed(_) => ProblemType::StoreFailed,
            E::Busy { .. } => ProblemType::Busy,
            E::NotJoined => ProblemType::NotMet,
            E::NoLaterTime(_) => ProblemType::NoLaterTime,
            E::CountedElsewhere(_) => ProblemType::CountedElsewhere,
            E::TooManySources { .. } => ProblemType::TooManySources,
            E::ShuttingDown => ProblemType::ShuttingDown,
        };
        Self::new(problem_type, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let problem_type = self.problem_type;
        let status = StatusCode::from_u16(problem_type.status()).unwrap_or_default();
        let mut response = (status, Json(self.document())).into_response();
        // The request's metrics count it.
        response.extensions_mut().insert(problem_type);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if problem_type.is_temporary() {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, BEARER);
        }
        response
    }
}

/// Quotes a part of a request: short and printable.
pub(super) fn quoted(input: &str) -> String {
    let input = text::without_passwords(input);
    format!("`{}`", text::clean(&input, QUOTED_BYTES_MAX))
}
