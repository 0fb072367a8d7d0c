//! Handler of the event stream.

use std::convert::Infallible;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use crate::http::auth::Caller;
use crate::http::problem::Problem;
use crate::http::problem_responses::{Problems, TooManySubscribers};
use crate::http::state::AppState;
use edge_cache_api::headers::{EVENT_STREAM, LAST_EVENT_ID};

/// The header by which nginx, as a proxy, passes events on at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Follows the changes of the registry and of the cluster, as server-sent events.
///
/// - `enabled`: a node was enabled: `{"node_id", "capacity", "enabled_at"}`.
/// - `disabled`: a node is not eligible any more: `{"node_id"}`.
/// - `joined`, `updated`: a peer is live now, or its information changed: the peer.
/// - `left`: a peer is not live any more: `{"node_id"}`.
/// - `snapshot`: the whole state, `{"nodes", "peers"}`: first of all, and wherever events are missing.
///
/// States in between may be left out; the last one is always sent. A client that names its last event in
/// `Last-Event-ID` gets those after it, where the agent still has them. A comment comes after 15 s without an event. The
/// stream ends when the agent stops and when the token of the request is revoked. At most 64 streams are open at a time.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    operation_id = "follow_events",
    tag = "events",
    params(("Last-Event-ID" = Option<String>, Header, description = "The last event that the client has.")),
    responses(
        (status = 200, description = "The events.", body = String, content_type = "text/event-stream"),
        Problems<(TooManySubscribers,)>
    )
)]
pub(in crate::http) async fn follow(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let last = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let subscription = state.events.subscribe(caller, last)?;
    let body = stream::unfold(subscription, async |mut subscription| {
        let text = subscription.next().await?;
        Some((Ok::<_, Infallible>(text), subscription))
    });
    let headers = [
        (CONTENT_TYPE, EVENT_STREAM),
        (CACHE_CONTROL, "no-store"),
        (X_ACCEL_BUFFERING, "no"),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}
