//! Restart policy of a failed plugin.
//!
//! A pure state machine: events come with their time, and the result is the time of the next attempt.

use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// The number of failures before the registry is degraded.
pub(crate) const RESTART_BUDGET: u32 = 5;
/// The run time of an instance that restores the whole budget.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);
/// The wait before the n-th attempt in a row is n - 1 times this long.
const BACKOFF_STEP: Duration = Duration::from_millis(200);
/// The longest wait between attempts while budget is left.
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// The interval of attempts of a degraded registry.
const DEGRADED_RETRY: Duration = Duration::from_secs(30);

/// The next attempt after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Start a fresh instance at this time; changes wait for it.
    Retry(Instant),
    /// Refuse changes, and try a fresh instance at this time.
    Degraded(Instant),
}

/// The failures of one plugin so far.
#[derive(Debug, Default)]
pub(crate) struct Supervisor {
    /// Failures since the budget was whole.
    failures: u32,
    running_since: Option<Instant>,
}

impl Supervisor {
    /// Records that a fresh instance runs. One that takes the place of another without a failure goes on with its time.
    pub(crate) fn started(&mut self, now: Instant) {
        self.running_since.get_or_insert(now);
    }

    /// Records that an instance failed or could not be started.
    pub(crate) fn failed(&mut self, now: Instant) -> Next {
        let ran = self
            .running_since
            .take()
            .map(|since| now.saturating_duration_since(since));
        if ran.is_some_and(|ran| ran >= HEALTHY_AFTER) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures > RESTART_BUDGET {
            return Next::Degraded(after(now, DEGRADED_RETRY));
        }
        let backoff = BACKOFF_STEP
            .saturating_mul(self.failures.saturating_sub(1))
            .min(BACKOFF_MAX);
        Next::Retry(after(now, backoff))
    }
}

fn after(now: Instant, wait: Duration) -> Instant {
    // An instant beyond the clock's range would be centuries away.
    now.checked_add(wait).unwrap_or(now)
}
