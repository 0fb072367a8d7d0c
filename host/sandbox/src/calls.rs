//! The calls into a component, counted.
//!
//! The counters outlive instances: whoever starts one says where its calls are counted.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::failure::{Failure, INSTANTIATION};
use edge_cache_core::histogram::{Histogram, HistogramCounters};

#[cfg(test)]
mod tests;

/// The bounds of the times of calls, in nanoseconds: 1 µs to 10 s.
const CALL_BOUNDS: &[u64] = &[
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// The exports of a component, and the start of an instance.
const CALLS: [&str; 10] = [
    INSTANTIATION,
    "load",
    "apply",
    "enable",
    "disable",
    "add-stats",
    "is-enabled",
    "list-eligible",
    "stats",
    "assess",
];

/// The calls into a component so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    /// How long calls of each export took, in nanoseconds; those that failed, too. Exports that were never
    /// called are left out.
    pub times: BTreeMap<&'static str, Histogram>,
    /// Failures by the export and the [kind](Failure::kind): each has cost an instance.
    pub failures: BTreeMap<(&'static str, &'static str), u64>,
}

/// The counters behind [`Calls`].
#[derive(Debug)]
pub struct CallCounters {
    times: [(&'static str, HistogramCounters); CALLS.len()],
    failures: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
}

impl Default for CallCounters {
    fn default() -> Self {
        Self {
            times: CALLS.map(|call| (call, HistogramCounters::new(CALL_BOUNDS))),
            failures: Mutex::default(),
        }
    }
}

impl CallCounters {
    pub(super) fn took(&self, call: &'static str, time: Duration) {
        let counters = self.times.iter().find(|(name, _)| *name == call);
        if let Some((_, counters)) = counters {
            counters.add_time(time);
        }
    }

    /// Counts a failure that an instance is dropped for.
    pub fn failed(&self, failure: &Failure) {
        let mut failures = self.failures();
        let count = failures
            .entry((failure.call(), failure.kind()))
            .or_default();
        *count = count.saturating_add(1);
    }

    /// Returns the current counts.
    pub fn read(&self) -> Calls {
        let times = self.times.iter();
        Calls {
            times: times
                .map(|(call, counters)| (*call, counters.read()))
                .filter(|(_, times)| times.count() > 0)
                .collect(),
            failures: self.failures().clone(),
        }
    }

    fn failures(&self) -> MutexGuard<'_, BTreeMap<(&'static str, &'static str), u64>> {
        // Numbers are whole after any panic.
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
