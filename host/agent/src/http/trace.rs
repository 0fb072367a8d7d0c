//! What the log tells of requests: one line for each change, and for each read where debugging is on.
//!
//! A read costs one look at the filter.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use tracing::{Level, Span};

use edge_cache_core::text;

/// The longest path in a line, in bytes.
pub(super) const PATH_BYTES_MAX: usize = 128;
/// The longest method in a line, in bytes: a client may make one up.
const METHOD_BYTES_MAX: usize = 32;

/// The line of one request, written when it is dropped. Without an answer its client went away, or the connection was
/// cut off; what it asked for may have been done all the same.
#[derive(Debug)]
pub(super) struct Line {
    method: String,
    is_read: bool,
    route: String,
    path: String,
    /// The name of the token that the request came with.
    token: Option<Arc<str>>,
    answer: Option<(StatusCode, Duration)>,
}

impl Line {
    /// None where nothing is to be logged. `token` is the name of the one that the request came with.
    pub(super) fn of(
        route: Option<&str>,
        request: &Request,
        token: Option<Arc<str>>,
    ) -> Option<Self> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if is_read && !tracing::enabled!(Level::DEBUG) {
            return None;
        }
        Some(Self {
            method: text::clean(request.method().as_str(), METHOD_BYTES_MAX),
            is_read,
            route: route.unwrap_or("none").to_string(),
            path: text::clean(request.uri().path(), PATH_BYTES_MAX),
            token,
            answer: None,
        })
    }

    /// The span of what is done for the request.
    pub(super) fn span(&self) -> Span {
        tracing::debug_span!("request", method = self.method, route = self.route)
    }

    /// Says how the request was answered.
    pub(super) fn answered(mut self, status: StatusCode, took: Duration) {
        self.answer = Some((status, took));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let Self {
            method,
            is_read,
            route,
            path,
            token,
            answer,
        } = self;
        let token = token.as_deref().map(tracing::field::display);
        let Some((status, took)) = answer else {
            tracing::info!(token, %method, route, path, "ended without an answer");
            return;
        };
        let code = status.as_u16();
        let time_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if *is_read {
            tracing::debug!(token, %method, route, path, status = code, time_us, "answered");
        } else if status.is_server_error() {
            tracing::warn!(token, %method, route, path, status = code, time_us, "answered");
        } else {
            tracing::info!(token, %method, route, path, status = code, time_us, "answered");
        }
    }
}
