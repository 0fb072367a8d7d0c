//! What is seen of each request: a count always, and a line of the log for changes, for reads where debugging is
//! on.
//!
//! A read costs one look at the filter, two at the clock, and the additions of `counts`.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use tracing::{Instrument, Level};

use super::counts::RequestCounts;
use crate::text;

/// The longest path in a line, in bytes.
const PATH_BYTES_MAX: usize = 128;

/// Has a request answered, counts it, and logs what is to be logged.
pub(super) async fn request(
    counts: &RequestCounts,
    request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let start = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map(MatchedPath::as_str);
    let counts = counts.of(route, request.method());
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if is_read && !tracing::enabled!(Level::DEBUG) {
        let response = answer(request).await;
        counts.add(response.status(), start.elapsed());
        return response;
    }
    let line = Line {
        method: request.method().clone(),
        route: route.unwrap_or("none"),
        path: text::clean(request.uri().path(), PATH_BYTES_MAX),
        is_read,
    };
    let span = tracing::debug_span!("request", method = %line.method, route = line.route);
    let response = answer(request).instrument(span).await;
    let took = start.elapsed();
    counts.add(response.status(), took);
    line.write(response.status(), took);
    response
}

/// What is logged of a request.
struct Line<'a> {
    method: Method,
    route: &'a str,
    path: String,
    is_read: bool,
}

impl Line<'_> {
    fn write(&self, status: StatusCode, took: Duration) {
        let Self {
            method,
            route,
            path,
            is_read,
        } = self;
        let code = status.as_u16();
        let time_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if *is_read {
            tracing::debug!(%method, route, path, status = code, time_us, "answered");
        } else if status.is_server_error() {
            tracing::warn!(%method, route, path, status = code, time_us, "answered");
        } else {
            tracing::info!(%method, route, path, status = code, time_us, "answered");
        }
    }
}
