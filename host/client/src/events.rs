//! A single connection of the event stream.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use edge_cache_api::headers::LAST_EVENT_ID;
use edge_cache_api::limits::KEEP_ALIVE;
use edge_cache_api::{Event, paths};
use edge_cache_core::text;
use futures_util::{Stream, StreamExt, stream};
use reqwest::header::HeaderValue;
use reqwest::{Method, Request};
use serde_json::Value;
use sse_stream::SseByteStream;
use tokio::time::timeout;

use crate::connection::{Connection, describe};
use crate::error::ClientError;

#[cfg(test)]
mod tests;

/// The largest event: the snapshot of the largest cluster is smaller.
const EVENT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The number of keep-alive comments that may be missing before a connection counts as broken.
const KEEP_ALIVES_MISSED: u32 = 3;

/// An event as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedEvent {
    /// The id of the event, with which a client resumes; empty where the event has none.
    pub id: String,
    /// The name of the event.
    pub name: String,
    /// The data of the event, with fields that this version does not know.
    pub data: Value,
}

/// An open event stream.
pub struct EventStream {
    connection: Connection,
    /// Method and path of the request, for errors.
    sent: String,
    events: Events,
}

impl ReceivedEvent {
    /// Returns the typed event; `None` where this version does not know it.
    #[must_use]
    pub fn event(&self) -> Option<Event> {
        Event::from_parts(&self.name, &self.data)
    }
}

impl EventStream {
    pub(crate) async fn open(
        connection: &Connection,
        last_event_id: Option<&str>,
    ) -> Result<Self, ClientError> {
        let mut request = Request::new(Method::GET, connection.url(paths::EVENTS));
        if let Some(id) = last_event_id.and_then(|id| HeaderValue::from_str(id).ok()) {
            request.headers_mut().insert(LAST_EVENT_ID, id);
        }
        let sent = describe(&request);
        let response = connection.open(request).await?;
        let bytes = response
            .bytes_stream()
            .map(|chunk| chunk.map_err(|error| io::Error::other(text::error_chain(&error))));
        Ok(Self {
            connection: connection.clone(),
            sent,
            events: Events::new(bytes, EVENT_BYTES_MAX),
        })
    }

    /// Waits for the next event; `None` where the agent has ended the stream.
    ///
    /// # Errors
    ///
    /// [`ClientError::NoResponse`] where the connection is broken or silent for three keep-alive periods, an event is
    /// invalid, or it has more than 64 MiB.
    pub async fn next(&mut self) -> Result<Option<ReceivedEvent>, ClientError> {
        self.events
            .next()
            .await
            .map_err(|reason| self.connection.no_response(&self.sent, &reason))
    }

    /// Returns the error of a stream that the agent has ended.
    pub(crate) fn ended(&self) -> ClientError {
        let reason = "the agent ended the stream";
        self.connection.no_response(&self.sent, reason)
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}

type Chunks = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Events decoded from a stream of bytes, within bounds of size and silence.
struct Events {
    decoder: SseByteStream<Chunks>,
    /// The bytes that were read since the last event.
    unread: Arc<AtomicUsize>,
}

impl Events {
    fn new(
        bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
        event_bytes_max: usize,
    ) -> Self {
        let unread = Arc::<AtomicUsize>::default();
        let count = unread.clone();
        let bounded = audible(bytes).map(move |chunk| {
            let chunk = chunk?;
            let before = count.fetch_add(chunk.len(), Ordering::Relaxed);
            if before.saturating_add(chunk.len()) > event_bytes_max {
                let reason = format!("an event has more than {event_bytes_max} bytes");
                return Err(io::Error::other(reason));
            }
            Ok(chunk)
        });
        Self {
            decoder: SseByteStream::new(Box::pin(bounded)),
            unread,
        }
    }

    /// Returns the next event; the error is the reason as text.
    async fn next(&mut self) -> Result<Option<ReceivedEvent>, String> {
        loop {
            let Some(block) = self.decoder.next().await.transpose().map_err(reason)? else {
                return Ok(None);
            };
            self.unread.store(0, Ordering::Relaxed);
            // A block without data is no event.
            let Some(data) = block.data else {
                continue;
            };
            let data = serde_json::from_str(&data)
                .map_err(|error| format!("the data of an event is not JSON: {error}"))?;
            return Ok(Some(ReceivedEvent {
                id: block.id.unwrap_or_default(),
                name: block.event.unwrap_or_default(),
                data,
            }));
        }
    }
}

/// Ends a stream with an error where no chunk arrives for too long. A keep-alive comment is a chunk.
fn audible(
    bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let silence = KEEP_ALIVE.saturating_mul(KEEP_ALIVES_MISSED);
    stream::unfold(Box::pin(bytes), move |mut bytes| async move {
        let chunk = timeout(silence, bytes.next()).await.unwrap_or_else(|_| {
            let reason = format!("nothing received for {silence:?}");
            Some(Err(io::Error::other(reason)))
        });
        Some((chunk?, bytes))
    })
}

/// Returns the text of a decoding error, without the decoder's prefix.
fn reason(error: sse_stream::Error) -> String {
    match error {
        sse_stream::Error::Body(error) => error.to_string(),
        sse_stream::Error::Utf8Parse(_) => "an event is not UTF-8 text".to_string(),
        error => error.to_string(),
    }
}
