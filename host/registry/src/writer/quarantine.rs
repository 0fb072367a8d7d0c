//! Changes that made the plugin fail, refused for a while without a call.
//!
//! A caller that repeats such a change would otherwise use up the restart budget for everybody.

use std::time::{Duration, Instant};

use super::operation::Operation;

#[cfg(test)]
mod tests;

/// The time for which a change is refused.
const REFUSED_FOR: Duration = Duration::from_secs(60);
/// The largest number of changes kept; the oldest goes first. More failing changes than this in a minute exhaust the
/// restart budget anyway.
const KEPT_MAX: usize = 16;

/// The changes that made the plugin fail lately.
#[derive(Debug, Default)]
pub(crate) struct Quarantine {
    failing: Vec<(Operation, Instant)>,
}

impl Quarantine {
    /// Adds a change that made the plugin fail.
    pub(crate) fn add(&mut self, operation: Operation, now: Instant) {
        self.forget_old(now);
        if self.failing.len() >= KEPT_MAX {
            self.failing.remove(0);
        }
        self.failing.push((operation, now));
    }

    /// Drops the changes whose time is over.
    pub(crate) fn forget_old(&mut self, now: Instant) {
        self.failing
            .retain(|(_, since)| now.saturating_duration_since(*since) < REFUSED_FOR);
    }

    /// Tells whether a change is quarantined.
    pub(crate) fn holds(&self, operation: &Operation) -> bool {
        self.failing
            .iter()
            .any(|(failing, _)| failing.is_like(operation))
    }
}
