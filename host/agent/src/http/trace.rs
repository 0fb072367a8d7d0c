//! The span, the metrics and the log line of each request: a line at `info` for each change, at `debug` for each read
//! and for counters that a feeder put, which come all the time.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tower_http::request_id::RequestId;
use tracing::field::Empty;
use tracing::{Instrument, Level, Span};

use crate::metrics::{HttpMetrics, NO_ROUTE};
use edge_cache_core::text;

/// The id in a log line where there is none.
const UNKNOWN: &str = "unknown";
/// The field of a request's span with the name of its token.
pub(super) const TOKEN_FIELD: &str = "token";
/// The end of the route of counters that feeders put.
const FED: &str = "/sources/{source}";
/// The longest path in a line, in bytes.
pub(super) const PATH_BYTES_MAX: usize = 128;
/// The longest method in a line, in bytes: a client may invent one.
const METHOD_BYTES_MAX: usize = 32;

/// The line of one request, written when it is dropped. Without an answer the client went away or the connection was
/// cut off; the change may have been made all the same.
#[derive(Debug)]
struct RequestLine {
    method: String,
    is_read: bool,
    route: String,
    path: String,
    span: Span,
    answer: Option<(StatusCode, Duration)>,
}

/// Runs a request in its span, which has the request id, and counts and logs how it was answered. A request whose
/// client goes away before is not counted.
pub(super) async fn trace(
    State(metrics): State<HttpMetrics>,
    request: Request,
    next: Next,
) -> Response {
    let start = Instant::now();
    let id = request.extensions().get::<RequestId>();
    let id = id.map(RequestId::header_value).map(HeaderValue::to_str);
    // The highest level: a line of any level within it has the request id, a panic's too.
    let span = tracing::error_span!(
        "request",
        request_id = id.and_then(Result::ok).unwrap_or(UNKNOWN),
        // The name of the token, once the request is authenticated.
        token = Empty,
    );
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    let mut line = RequestLine::new(&request, route, span.clone());
    let response = next.run(request).instrument(span).await;
    let took = start.elapsed();
    metrics.answered(route, &method, response.status(), took);
    if let Some(problem_type) = response.extensions().get() {
        metrics.problem(*problem_type);
    }
    if let Some(line) = &mut line {
        line.answer = Some((response.status(), took));
    }
    response
}

impl RequestLine {
    /// Creates the line; none where it would not be written.
    fn new(request: &Request, route: &str, span: Span) -> Option<Self> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if is_read && !tracing::enabled!(Level::DEBUG) {
            return None;
        }
        Some(Self {
            method: text::clean(request.method().as_str(), METHOD_BYTES_MAX),
            is_read,
            route: route.to_string(),
            path: text::clean(request.uri().path(), PATH_BYTES_MAX),
            span,
            answer: None,
        })
    }
}

impl Drop for RequestLine {
    fn drop(&mut self) {
        let Self {
            method,
            is_read,
            route,
            path,
            span,
            answer,
        } = self;
        let _entered = span.enter();
        let Some((status, took)) = answer else {
            tracing::info!(%method, route, path, "ended without an answer");
            return;
        };
        let code = status.as_u16();
        let time_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if *is_read || (route.ends_with(FED) && status.is_success()) {
            tracing::debug!(%method, route, path, status = code, time_us, "answered");
        } else if status.is_server_error() {
            tracing::warn!(%method, route, path, status = code, time_us, "answered");
        } else {
            tracing::info!(%method, route, path, status = code, time_us, "answered");
        }
    }
}
