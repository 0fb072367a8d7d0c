//! Changes as server-sent events.
//!
//! One task, `hub`, turns changes into events and keeps the latest in a ring that all subscribers read. A subscriber
//! holds only a number in that ring; one that falls behind it gets the whole state again. So a slow subscriber costs no
//! memory, and each ends at the true state.

mod hub;
mod ring;

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use self::hub::{Board, Hub};
use super::auth::Caller;
use super::limits::{EVENT_STREAMS_MAX, KEEP_ALIVE};
use super::problem::Problem;
use crate::shutdown::Shutdown;
use edge_cache_api::{Health, ProblemType};
use edge_cache_host::EdgeCacheRegistry;
use edge_cache_host::gossip::GossipPool;

#[cfg(test)]
mod tests;

/// The comment that is sent on a silent stream.
const COMMENT: Bytes = Bytes::from_static(b": still here\n\n");

/// The events of an agent. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Events {
    board: Arc<Board>,
    permits: Arc<Semaphore>,
    stop: Shutdown,
}

#[derive(Debug)]
pub(super) struct Subscription {
    events: Events,
    caller: Caller,
    /// The number of the last event that the client has; `None` where it needs the whole state.
    last: Option<u64>,
    _permit: OwnedSemaphorePermit,
}

impl Events {
    /// Follows the registry and the pool until both have ended or `stop` is asked for. Must be called on a runtime.
    pub(super) fn start(
        registry: &EdgeCacheRegistry,
        gossip: Option<&GossipPool>,
        health: watch::Receiver<Option<Health>>,
        stop: Shutdown,
    ) -> Self {
        let hub = Hub::new(
            registry.subscribe(),
            gossip.map(GossipPool::subscribe),
            health,
        );
        let board = hub.board.clone();
        stop.spawn("the events", hub.run(stop.clone()));
        Self {
            board,
            permits: Arc::new(Semaphore::new(EVENT_STREAMS_MAX)),
            stop,
        }
    }

    pub(super) fn subscribers(&self) -> usize {
        EVENT_STREAMS_MAX.saturating_sub(self.permits.available_permits())
    }

    /// Subscribes a caller from the event after `last_event_id` on, within the limit.
    pub(super) fn subscribe(
        &self,
        caller: Caller,
        last_event_id: Option<&str>,
    ) -> Result<Subscription, Problem> {
        let permit = self.permits.clone().try_acquire_owned().map_err(|_| {
            Problem::new(
                ProblemType::TooManySubscribers,
                format!("{EVENT_STREAMS_MAX} follow the events already"),
            )
        })?;
        Ok(Subscription {
            last: last_event_id.and_then(|id| self.board.number(id)),
            events: self.clone(),
            caller,
            _permit: permit,
        })
    }
}

impl Subscription {
    /// Returns the texts of the stream.
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, async |mut subscription| {
            let text = subscription.next().await?;
            Some((Ok(text), subscription))
        })
    }

    /// Waits for the next text of the stream. `None` once the agent stops or the caller's token is revoked.
    async fn next(&mut self) -> Option<Bytes> {
        let board = &self.events.board;
        let next = async {
            tokio::select! {
                biased;
                () = self.events.stop.clone().wait() => None,
                () = self.caller.revoked() => None,
                next = board.after(self.last) => next,
            }
        };
        match timeout(KEEP_ALIVE, next).await {
            Ok(next) => {
                let (number, text) = next?;
                self.last = Some(number);
                Some(text)
            }
            Err(_) => Some(COMMENT),
        }
    }
}
