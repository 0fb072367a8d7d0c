//! Follows the events of an agent, over its restarts and breaks of the connection.
//!
//! It never ends by itself once it has begun, except where the agent refuses it, or where nobody reads what
//! it prints any more.

use std::convert::Infallible;
use std::io::{self, Write};
use std::time::Duration;

use reqwest::Response;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::connection::{Connection, Request};
use super::error::ClientError;
use super::sse::{Event, Parser};
use super::{output, show};
use crate::cli::OutputFormat;
use edge_cache_api::limits::KEEP_ALIVE;
use edge_cache_core::text;

/// How many of the agent's comments may be missing before the connection counts as cut.
const COMMENTS_MISSED: u32 = 3;
/// The first wait before it is tried again; each is twice the one before, until an event has come.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Prints event after event.
pub(super) async fn follow(
    connection: &Connection,
    format: OutputFormat,
) -> Result<Infallible, ClientError> {
    let mut follower = Follower {
        connection,
        format,
        last: None,
        pause: PAUSE_MIN,
    };
    // Who can't be reached at all was named wrongly.
    let mut response = connection.open(&follower.request()).await?;
    loop {
        let broken = match follower.read(response).await {
            Ok(never) => match never {},
            Err(broken) => broken,
        };
        if !broken.passes() {
            return Err(broken);
        }
        complain(&broken);
        response = follower.again().await?;
    }
}

struct Follower<'a> {
    connection: &'a Connection,
    format: OutputFormat,
    /// The last event that was printed.
    last: Option<String>,
    /// How long to wait before it is tried again.
    pause: Duration,
}

impl Follower<'_> {
    fn request(&self) -> Request {
        Request::get("/api/v1/events").after_event(self.last.as_deref())
    }

    /// Prints what comes, until no more does.
    async fn read(&mut self, mut response: Response) -> Result<Infallible, ClientError> {
        let request = self.request();
        let broken = |reason: &str| self.connection.unanswered(&request, reason);
        let silence = KEEP_ALIVE.saturating_mul(COMMENTS_MISSED);
        let mut parser = Parser::default();
        loop {
            while let Some(event) = parser.next().map_err(|wrong| broken(&wrong))? {
                output::line(&line(self.format, &event))?;
                self.last = Some(event.id);
                self.pause = PAUSE_MIN;
            }
            let chunk = timeout(silence, response.chunk())
                .await
                .map_err(|_| broken(&format!("nothing came for {silence:?}")))?
                .map_err(|error| broken(&text::error_chain(&error)))?
                .ok_or_else(|| broken("the agent ended the stream"))?;
            parser.feed(&chunk).map_err(|wrong| broken(&wrong))?;
        }
    }

    /// Asks until there is an answer.
    async fn again(&mut self) -> Result<Response, ClientError> {
        loop {
            sleep(self.pause).await;
            self.pause = self.pause.saturating_mul(2).min(PAUSE_MAX);
            match self.connection.open(&self.request()).await {
                Err(error) if error.passes() => {}
                answered => return answered,
            }
        }
    }
}

fn line(format: OutputFormat, event: &Event) -> String {
    match format {
        OutputFormat::Table => show::event(event),
        OutputFormat::Json => {
            output::json(&json!({"id": event.id, "event": event.name, "data": event.data}))
        }
    }
}

/// Says once a break that it goes on; whoever started it may be gone.
fn complain(broken: &ClientError) {
    let _ = writeln!(io::stderr(), "edge-cache-agent: {broken}; trying again");
}
