//! The command that follows the event stream.

use std::convert::Infallible;
use std::io::{self, Write};

use anyhow::Result;
use edge_cache_client::{Client, FollowUpdate, ReceivedEvent};
use serde_json::json;

use super::{output, table};
use crate::cli::OutputFormat;

/// Prints events until the agent refuses the client or the reader closes the pipe.
pub(super) async fn follow(client: &Client, format: OutputFormat) -> Result<Infallible> {
    let mut follower = client.follow_events();
    loop {
        match follower.next().await? {
            FollowUpdate::Event(event) => output::line(&line(format, &event))?,
            // Standard error may be closed.
            FollowUpdate::Broken(error) => {
                let _ = writeln!(io::stderr(), "edge-cache-agent: {error}; trying again");
            }
        }
    }
}

fn line(format: OutputFormat, event: &ReceivedEvent) -> String {
    match format {
        OutputFormat::Table => table::event(event),
        OutputFormat::Json => {
            output::json(&json!({"id": event.id, "event": event.name, "data": event.data}))
        }
    }
}
