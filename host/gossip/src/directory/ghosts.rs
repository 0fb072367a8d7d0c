//! Suppression of ghosts: older generations that outlive a newer one of their node.
//!
//! A member that lived for moments takes up to forty intervals to be found dead. A newer member of
//! the same node that lived for longer is found dead sooner. The older one must not come back then.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// Time for which lower generations are ignored after a higher one was seen, in intervals.
const GHOST_INTERVALS: u32 = 60;
/// Minimum of that time: short intervals do not make the failure detector quicker.
const GHOST_MIN: Duration = Duration::from_secs(12);

/// The highest generation of each node that was selected recently.
#[derive(Debug)]
pub(super) struct Ghosts {
    newest: BTreeMap<u64, Newest>,
    ignored_for: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Newest {
    generation: u64,
    selected_at: Instant,
}

impl Ghosts {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            newest: BTreeMap::new(),
            ignored_for: interval.saturating_mul(GHOST_INTERVALS).max(GHOST_MIN),
        }
    }

    /// Removes generations that were selected too long ago.
    pub(super) fn expire(&mut self, now: Instant) {
        let ignored_for = self.ignored_for;
        self.newest
            .retain(|_, newest| newest.age(now) < ignored_for);
    }

    /// Notes a live generation of a node. Returns `Some` if it is a ghost: the time until it no
    /// longer is one.
    pub(super) fn check(
        &mut self,
        node_id: u64,
        generation: u64,
        now: Instant,
    ) -> Option<Duration> {
        let newest = self.newest.entry(node_id).or_insert(Newest {
            generation,
            selected_at: now,
        });
        if generation < newest.generation {
            return Some(self.ignored_for.saturating_sub(newest.age(now)));
        }
        newest.generation = generation;
        newest.selected_at = now;
        None
    }
}

impl Newest {
    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.selected_at)
    }
}
