//! A line of the log a request: changes always, reads where debugging is on.
//!
//! A read costs one look at the filter more.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use tracing::{Instrument, Level};

use crate::text;

/// The longest path in a line, in bytes.
const PATH_BYTES_MAX: usize = 128;

pub(super) async fn requests(request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if is_read && !tracing::enabled!(Level::DEBUG) {
        return next.run(request).await;
    }
    let start = Instant::now();
    let method = request.method().clone();
    let path = text::clean(request.uri().path(), PATH_BYTES_MAX);
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let span = tracing::debug_span!("request", %method, route);
    let response = next.run(request).instrument(span).await;
    let status = response.status();
    let time_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    let code = status.as_u16();
    if is_read {
        tracing::debug!(%method, route, path, status = code, time_us, "answered");
    } else if status.is_server_error() {
        tracing::warn!(%method, route, path, status = code, time_us, "answered");
    } else {
        tracing::info!(%method, route, path, status = code, time_us, "answered");
    }
    response
}
