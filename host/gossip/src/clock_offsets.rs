//! The largest offset of peers' clocks, for the metrics.
//!
//! Sealed datagrams carry the sender's time. The offset contains the time under way, which only makes a sender look
//! behind.

use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// Time for which an offset counts at least, and at most twice that: a few rounds with every peer.
const PERIOD: Duration = Duration::from_secs(60);

/// The largest offsets of this period and the last.
#[derive(Debug, Default)]
pub(crate) struct ClockOffsets {
    latest_ms: i64,
    current_ms: i64,
    last_ms: i64,
    since: Option<Instant>,
}

impl ClockOffsets {
    /// Notes the time by which a sender is ahead, in milliseconds.
    pub(crate) fn note(&mut self, ahead_ms: i64, now: Instant) {
        self.latest_ms = ahead_ms;
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= PERIOD {
            self.last_ms = std::mem::take(&mut self.current_ms);
            self.since = Some(now);
        }
        self.current_ms = larger(self.current_ms, ahead_ms);
    }

    /// Returns the time by which the last sender is ahead.
    pub(crate) fn latest_ms(&self) -> i64 {
        self.latest_ms
    }

    /// Returns the largest offset noted in the last one to two periods.
    pub(crate) fn largest_ms(&self) -> i64 {
        larger(self.last_ms, self.current_ms)
    }
}

/// Returns the one of two offsets that is farther from zero.
fn larger(a: i64, b: i64) -> i64 {
    if b.unsigned_abs() > a.unsigned_abs() {
        b
    } else {
        a
    }
}
