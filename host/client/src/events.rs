//! The event stream: a single connection, and a follower over restarts of the agent and breaks of the connection.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

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
use tokio::time::{sleep, timeout};

use crate::connection::{Connection, describe};
use crate::error::ClientError;

#[cfg(test)]
mod tests;

/// The largest event: the snapshot of the largest cluster is smaller.
const EVENT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The number of keep-alive comments that may be missing before a connection counts as broken.
const KEEP_ALIVES_MISSED: u32 = 3;
/// The first pause before a reconnect. Each further pause is twice as long, until an event arrives.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause before a reconnect.
const PAUSE_MAX: Duration = Duration::from_secs(5);

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
            .map_err(|reason| self.no_response(&reason))
    }

    fn no_response(&self, reason: &str) -> ClientError {
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

/// A follower of the event stream that reconnects and resumes after the last event.
#[derive(Debug)]
pub struct EventFollower {
    connection: Connection,
    /// Absent while the connection is broken.
    stream: Option<EventStream>,
    last_event_id: Option<String>,
    pause: Duration,
}

/// An update of a follower.
#[derive(Debug)]
pub enum FollowUpdate {
    /// An event.
    Event(ReceivedEvent),
    /// The connection is broken, for this reason. The follower reconnects when it is next asked.
    Broken(ClientError),
}

impl EventFollower {
    pub(crate) async fn open(connection: Connection) -> Result<Self, ClientError> {
        Ok(Self {
            stream: Some(EventStream::open(&connection, None).await?),
            connection,
            last_event_id: None,
            pause: PAUSE_MIN,
        })
    }

    /// Waits for the next event or for a break of the connection. Each break is reported once.
    ///
    /// # Errors
    ///
    /// A [`ClientError`] where the agent refuses the client.
    pub async fn next(&mut self) -> Result<FollowUpdate, ClientError> {
        loop {
            let Some(stream) = &mut self.stream else {
                self.stream = Some(self.reconnect().await?);
                continue;
            };
            let broken = match stream.next().await {
                Ok(Some(event)) => return Ok(FollowUpdate::Event(self.received(event))),
                Ok(None) => stream.no_response("the agent ended the stream"),
                Err(error) => error,
            };
            self.stream = None;
            return Ok(FollowUpdate::Broken(broken));
        }
    }

    fn received(&mut self, event: ReceivedEvent) -> ReceivedEvent {
        if !event.id.is_empty() {
            self.last_event_id = Some(event.id.clone());
        }
        self.pause = PAUSE_MIN;
        event
    }

    /// Tries until there is a response that is not temporary.
    async fn reconnect(&mut self) -> Result<EventStream, ClientError> {
        loop {
            sleep(self.pause).await;
            self.pause = self.pause.saturating_mul(2).min(PAUSE_MAX);
            let id = self.last_event_id.as_deref();
            match EventStream::open(&self.connection, id).await {
                Err(error) if error.is_temporary() => {}
                opened => return opened,
            }
        }
    }
}
