//! The event stream of an agent, with a time limit for each event.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use edge_cache_client::{Address, Client, ClientConfig, EventStream};
use serde_json::Value;
use tokio::time::timeout;

pub use edge_cache_client::ReceivedEvent as Event;

/// The time limit of an event that must come.
const EVENT_WITHIN: Duration = Duration::from_secs(20);

/// An open event stream.
#[derive(Debug)]
pub struct Events(EventStream);

impl Events {
    /// Opens the event stream of the agent at an address, after the event `last` if one is given.
    ///
    /// # Errors
    ///
    /// The agent refuses the request.
    pub async fn follow(at: SocketAddr, last: Option<&str>) -> Result<Self> {
        let client = Client::new(ClientConfig::new(Address::plain(at)?))?;
        Ok(Self(client.events(last).await?))
    }

    /// Waits for the next event; `None` where the stream has ended.
    ///
    /// # Errors
    ///
    /// No event comes in time, or it is invalid.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        let next = timeout(EVENT_WITHIN, self.0.next()).await;
        Ok(next.context("no event came")??)
    }
}

/// Returns the event's name and the node that it is about.
#[must_use]
pub fn about(event: &Event) -> (&str, Option<u64>) {
    let node_id = event.data.get("node_id").and_then(Value::as_u64);
    (&event.name, node_id)
}
