//! A client of server-sent events.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use crate::agent::Agent;

/// Maximum time for an expected event.
const EVENT_WITHIN: Duration = Duration::from_secs(20);

/// An open stream of events.
#[derive(Debug)]
pub struct Events {
    response: Response,
    read: Vec<u8>,
}

/// Event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Id from which a client resumes.
    pub id: String,
    /// Event type.
    pub name: String,
    /// Payload.
    pub data: Value,
}

impl Event {
    /// The event's name and the node that it is about.
    #[must_use]
    pub fn about(&self) -> (&str, Option<u64>) {
        let node_id = self.data.get("node_id").and_then(Value::as_u64);
        (&self.name, node_id)
    }
}

impl Events {
    /// Asks for the events, those after `last` if one is named.
    ///
    /// # Errors
    ///
    /// Where they are refused.
    pub async fn follow(agent: &Agent, last: Option<&str>) -> Result<Self> {
        let mut request = agent.request(reqwest::Method::GET, "/api/v1/events");
        if let Some(id) = last {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await?;
        ensure!(response.status() == StatusCode::OK, "{response:?}");
        Ok(Self {
            response,
            read: Vec::new(),
        })
    }

    /// The next event; `None` where the stream has ended.
    ///
    /// # Errors
    ///
    /// Where none comes, or it can't be read.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        timeout(EVENT_WITHIN, self.read_on())
            .await
            .context("no event came")?
    }

    async fn read_on(&mut self) -> Result<Option<Event>> {
        loop {
            let end = self.read.windows(2).position(|two| two == b"\n\n");
            let Some(end) = end else {
                match self.response.chunk().await? {
                    Some(chunk) => self.read.extend_from_slice(&chunk),
                    None => return Ok(None),
                }
                continue;
            };
            let block: Vec<u8> = self.read.drain(..end + 2).collect();
            if let Some(event) = parse(std::str::from_utf8(&block)?)? {
                return Ok(Some(event));
            }
        }
    }
}

/// Reads a block of lines; a comment is none.
///
/// # Errors
///
/// Where a field is missing.
pub fn parse(block: &str) -> Result<Option<Event>> {
    if block.starts_with(':') {
        return Ok(None);
    }
    let field = |name: &str| {
        let mut lines = block.lines();
        lines
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .with_context(|| format!("no {name} in {block:?}"))
    };
    Ok(Some(Event {
        id: field("id")?.to_string(),
        name: field("event")?.to_string(),
        data: serde_json::from_str(field("data")?)?,
    }))
}
