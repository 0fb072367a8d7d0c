//! Time: the system's clock, and waiting for a deadline that may be absent.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{self, Instant};

/// Returns nanoseconds since the Unix epoch, the unit of generations.
pub(crate) fn now_ns() -> u64 {
    u64::try_from(since_epoch().as_nanos()).unwrap_or(u64::MAX)
}

/// Returns milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
}

/// Limits the log lines of one reason to one in ten seconds.
#[derive(Debug, Default)]
pub struct LogLimit {
    last: Option<Instant>,
    left_out: u64,
}

impl LogLimit {
    /// Time between two lines.
    pub(crate) const PAUSE: Duration = Duration::from_secs(10);

    /// Returns the number of lines left out since the last one, or `None` if this one is to be left out.
    pub fn pass(&mut self) -> Option<u64> {
        let now = Instant::now();
        let is_early = |last| now.saturating_duration_since(last) < Self::PAUSE;
        if self.last.is_some_and(is_early) {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.left_out))
    }
}

/// Waits until `deadline`, or forever if there is none.
pub(crate) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
