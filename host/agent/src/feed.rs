//! Feeders: each puts the absolute counters of one cache at the agent of its node.
//!
//! - `varnish` reads the counters of Varnish, `log` counts lines on standard input.
//!
//! A put that failed is repeated with the counters of that time, which may be higher: nothing is lost, and nothing is
//! counted twice.

mod cache;
mod log;
mod varnish;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Context, Result};
use edge_cache_client::{Client, ClientError, EdgeCacheStats, SourceName};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};

use self::cache::Cache;
use self::log::Log;
use self::varnish::Varnish;
use crate::advice;
use crate::cli::{FeedArgs, FeedCommand};
use crate::commands::connect;
use crate::exit;

/// The longest wait after a failure.
const RETRY_WAIT: Duration = Duration::from_secs(5);
/// The time for the last put, and the wait between its attempts.
const LAST_PUT_WITHIN: Duration = Duration::from_secs(10);
const LAST_PUT_RETRY: Duration = Duration::from_millis(200);
/// The time after which the same failure is reported again.
const REPORT_AGAIN: Duration = Duration::from_secs(60);
/// The most counters that wait for the agent: the last ones of 32 lives of the cache.
const WAITING_MAX: usize = 64;

/// Runs a feeder until its input ends or it is asked to stop, and returns its exit code.
///
/// # Errors
///
/// The command cannot work as it was given, or the last counters were not taken; `exit` has the code of the error.
pub async fn run(command: &FeedCommand) -> Result<u8> {
    match command {
        FeedCommand::Varnish(args) => {
            let feeder = Feeder::new(&args.feed, args.source.clone())?;
            feeder.run(Varnish::new(args)).await
        }
        FeedCommand::Log(args) => {
            let feeder = Feeder::new(&args.feed, args.source.clone())?;
            feeder.run(Log::of_stdin()?).await
        }
    }
}

/// Puts the counters of one source.
struct Feeder {
    client: Client,
    node_id: u64,
    source: SourceName,
    every: Duration,
    /// Counters that are to be put, in this order, before the current ones.
    waiting: VecDeque<EdgeCacheStats>,
    last: EdgeCacheStats,
    has_put: bool,
    /// The failure that was reported last, and when.
    reported: Option<(String, Instant)>,
}

impl Feeder {
    fn new(args: &FeedArgs, source: SourceName) -> Result<Self> {
        Ok(Self {
            client: connect(&args.connection)?,
            node_id: args.node,
            source,
            every: args.every,
            waiting: VecDeque::new(),
            last: EdgeCacheStats::default(),
            has_put: false,
            reported: None,
        })
    }

    async fn run(mut self, mut cache: impl Cache) -> Result<u8> {
        let cannot = "cannot listen for signals";
        let mut interrupt = signal(SignalKind::interrupt()).context(cannot)?;
        let mut terminate = signal(SignalKind::terminate()).context(cannot)?;
        loop {
            let wait = match self.feed(&mut cache).await {
                Ok(()) => self.every,
                Err(error) if !self.has_put && is_misuse(&error) => return Err(error),
                Err(error) => {
                    self.report(&error);
                    self.every.min(RETRY_WAIT)
                }
            };
            tokio::select! {
                () = sleep(wait) => {}
                () = cache.ended() => break,
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
            }
        }
        self.feed_last(&mut cache).await
    }

    /// Reads the counters, and puts them after those that wait.
    async fn feed(&mut self, cache: &mut impl Cache) -> Result<()> {
        let reading = cache.read().await?;
        if reading.has_begun_again {
            // The agent would take counters that are higher again for those of the former life.
            self.waiting.extend([self.last, EdgeCacheStats::default()]);
            let surplus = self.waiting.len().saturating_sub(WAITING_MAX);
            self.waiting.drain(..surplus);
        }
        self.last = reading.counters;
        while let Some(counters) = self.waiting.front() {
            self.put(*counters).await?;
            self.waiting.pop_front();
        }
        self.put(reading.counters).await?;
        self.has_put = true;
        if self.reported.take().is_some() {
            say("the agent takes the counters again");
        }
        Ok(())
    }

    async fn put(&self, counters: EdgeCacheStats) -> Result<()> {
        let call = self.client.put_source(self.node_id, &self.source, counters);
        call.send().await?;
        Ok(())
    }

    async fn feed_last(mut self, cache: &mut impl Cache) -> Result<u8> {
        let start = Instant::now();
        while let Err(error) = self.feed(cache).await {
            if start.elapsed() >= LAST_PUT_WITHIN {
                return Err(error.context("the last counters were not taken"));
            }
            self.report(&error);
            sleep(LAST_PUT_RETRY).await;
        }
        Ok(exit::SUCCESS)
    }

    /// Reports a failure on standard error: a new one at once, the same one once a minute.
    fn report(&mut self, error: &anyhow::Error) {
        let text = advice::described(error);
        let is_old =
            |(former, at): &(String, Instant)| *former == text && at.elapsed() < REPORT_AGAIN;
        if !self.reported.as_ref().is_some_and(is_old) {
            say(&format!("{text}; trying again"));
            self.reported = Some((text, Instant::now()));
        }
    }
}

/// Returns whether the command must be given otherwise: waiting would not help.
fn is_misuse(error: &anyhow::Error) -> bool {
    let status = error.downcast_ref().and_then(ClientError::status);
    let is_refused = status.is_some_and(|status| [400, 401, 403].contains(&status.as_u16()));
    is_refused || exit::code(error) == exit::USAGE
}

/// Prints a line on standard error, which may be closed.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "edge-cache-agent: {text}");
}
