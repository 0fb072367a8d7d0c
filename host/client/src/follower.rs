//! Follows the event stream over restarts of the agent and breaks of the connection.

use std::time::Duration;

use tokio::time::sleep;

use crate::connection::Connection;
use crate::error::ClientError;
use crate::events::{EventStream, ReceivedEvent};

/// The first pause before a reconnect. Each further pause is twice as long, until an event arrives.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause before a reconnect.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A follower of the event stream that reconnects and resumes after the last event.
#[derive(Debug)]
pub struct EventFollower {
    connection: Connection,
    state: State,
    last_event_id: Option<String>,
    pause: Duration,
}

#[derive(Debug)]
enum State {
    /// Nothing has been sent. An agent that cannot be reached now is an error, since its address may be wrong.
    New,
    Open(Box<EventStream>),
    /// The connection is broken and will be opened again.
    Broken,
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
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection,
            state: State::New,
            last_event_id: None,
            pause: PAUSE_MIN,
        }
    }

    /// Waits for the next event or for a break of the connection. Each break is reported once.
    ///
    /// # Errors
    ///
    /// A [`ClientError`] where the first connection fails, or the agent refuses the client.
    pub async fn next(&mut self) -> Result<FollowUpdate, ClientError> {
        loop {
            let stream = match &mut self.state {
                State::Open(stream) => stream,
                State::New => {
                    let stream = EventStream::open(&self.connection, None).await?;
                    self.state = State::Open(Box::new(stream));
                    continue;
                }
                State::Broken => {
                    let stream = self.reconnect().await?;
                    self.state = State::Open(Box::new(stream));
                    continue;
                }
            };
            let broken = match stream.next().await {
                Ok(Some(event)) => return Ok(FollowUpdate::Event(self.received(event))),
                Ok(None) => stream.ended(),
                Err(error) => error,
            };
            self.state = State::Broken;
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
