//! Changes that killed the component, refused for a while without a call.
//!
//! A caller that repeats such a change would otherwise use up the restarts of everybody.

use std::time::{Duration, Instant};

use super::queue::Operation;

/// How long a change stays refused.
const REFUSED_FOR: Duration = Duration::from_secs(60);
/// How many are kept; the oldest goes first. More deadly changes than this in a minute meet the restart
/// budget anyway.
const KEPT: usize = 16;

#[derive(Debug, Default)]
pub(crate) struct Quarantine {
    killers: Vec<(Operation, Instant)>,
}

impl Quarantine {
    pub(crate) fn add(&mut self, operation: Operation, now: Instant) {
        self.forget_old(now);
        if self.killers.len() >= KEPT {
            self.killers.remove(0);
        }
        self.killers.push((operation, now));
    }

    /// Whether this change killed the component lately.
    pub(crate) fn holds(&mut self, operation: &Operation, now: Instant) -> bool {
        // Nearly always empty, and then free.
        if self.killers.is_empty() {
            return false;
        }
        self.forget_old(now);
        self.killers.iter().any(|(killer, _)| killer == operation)
    }

    fn forget_old(&mut self, now: Instant) {
        self.killers
            .retain(|(_, since)| now.saturating_duration_since(*since) < REFUSED_FOR);
    }
}

#[cfg(test)]
mod tests;
