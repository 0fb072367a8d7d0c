//! Changes as they happen, as server-sent events.
//!
//! One task, `hub`, turns changes into events and keeps the latest of them in a ring that all subscribers
//! read. A subscriber holds no more than a place in that ring: whoever falls behind it gets the whole state
//! again. So a slow one costs nothing, and each ends at the true state.

mod hub;
mod ring;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::AppState;
use super::kinds;
use super::problem::Problem;
use super::refusals::{Crowded, Refusals};
use crate::shutdown::Shutdown;
use edge_cache_api::headers::{EVENT_STREAM, LAST_EVENT_ID};
use edge_cache_api::limits::KEEP_ALIVE;
use edge_cache_host::EdgeCacheRegistry;
use edge_cache_host::gossip::GossipPool;

use self::hub::{Board, Hub};

#[cfg(test)]
mod tests;

/// How many may follow the events at once.
pub const SUBSCRIBERS_MAX: usize = 64;

const COMMENT: Bytes = Bytes::from_static(b": still here\n\n");

/// The events of an agent. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Events {
    board: Arc<Board>,
    places: Arc<Semaphore>,
    stop: Shutdown,
}

/// One who follows the events.
struct Subscriber {
    events: Events,
    /// The number of the last event that it has; `None` where it needs the whole state.
    has: Option<u64>,
    _place: OwnedSemaphorePermit,
}

impl Events {
    /// Begins to follow the registry and the pool, until both have ended or `stop` is asked for. Needs a
    /// runtime.
    pub(super) fn start(
        registry: &EdgeCacheRegistry,
        gossip: Option<&GossipPool>,
        stop: Shutdown,
    ) -> Self {
        let hub = Hub::new(registry.subscribe(), gossip.map(GossipPool::subscribe));
        let board = hub.board();
        tokio::spawn(hub.run(stop.clone()));
        Self {
            board,
            places: Arc::new(Semaphore::new(SUBSCRIBERS_MAX)),
            stop,
        }
    }

    /// How many follow.
    pub(super) fn subscribers(&self) -> usize {
        SUBSCRIBERS_MAX.saturating_sub(self.places.available_permits())
    }

    /// One more who follows, if there is a place.
    fn subscribe(&self, last_event_id: Option<&str>) -> Result<Subscriber, Problem> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| {
            Problem::new(
                &kinds::TOO_MANY_SUBSCRIBERS,
                format!("{SUBSCRIBERS_MAX} follow the events already"),
            )
        })?;
        Ok(Subscriber {
            has: last_event_id.and_then(|id| self.board.number(id)),
            events: self.clone(),
            _place: place,
        })
    }
}

impl Subscriber {
    /// What comes next. `None` once the agent stops.
    async fn next(&mut self) -> Option<Bytes> {
        let board = &self.events.board;
        let next = async {
            tokio::select! {
                () = self.events.stop.clone().wait() => None,
                next = board.after(self.has) => next,
            }
        };
        match timeout(KEEP_ALIVE, next).await {
            Ok(next) => {
                let (number, text) = next?;
                self.has = Some(number);
                Some(text)
            }
            Err(_) => Some(COMMENT),
        }
    }
}

/// Changes of the registry and of the cluster, as server-sent events.
///
/// - `enabled`: a node was enabled: `{"node_id", "capacity", "enabled_at"}`.
/// - `disabled`: a node is not eligible any more: `{"node_id"}`.
/// - `joined`, `updated`: a peer is live now, or says something else: the peer.
/// - `left`: a peer is not live any more: `{"node_id"}`.
/// - `snapshot`: the whole state, `{"nodes", "peers"}`: first of all, and wherever events are missing.
///
/// States in between may be left out; the last one is always told. A client that names its last event in
/// `Last-Event-ID` gets those after it, where the agent still has them. A comment comes after 15 s without
/// an event. At most 64 may follow at once.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    operation_id = "follow_events",
    tag = "events",
    security((), ("bearer" = ["read"])),
    params(("Last-Event-ID" = Option<String>, Header, description = "The last event that the client has.")),
    responses(
        (status = 200, description = "The events.", body = String, content_type = "text/event-stream"),
        Refusals<(Crowded,)>
    )
)]
pub(super) async fn follow(
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let last = headers.get(LAST_EVENT_ID);
    let subscriber = state
        .events
        .subscribe(last.and_then(|id| id.to_str().ok()))?;
    let body = stream::unfold(subscriber, async |mut subscriber| {
        let text = subscriber.next().await?;
        Some((Ok::<_, std::convert::Infallible>(text), subscriber))
    });
    let headers = [(CONTENT_TYPE, EVENT_STREAM), (CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(body)).into_response())
}
