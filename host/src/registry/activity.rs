//! What the writer has done, counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What the writer of a registry has done since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Activity {
    /// Changes that were answered, with success or an error.
    pub changes: u64,
    /// Batches that they were made in; each is at most one commit, and one more for each failure.
    pub batches: u64,
    /// The time from taking up a batch to its last answer, summed.
    pub busy: Duration,
}

/// The counters behind [`Activity`]; the writer adds, anyone reads.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    changes: AtomicU64,
    batches: AtomicU64,
    busy_nanos: AtomicU64,
}

impl Counters {
    pub(crate) fn add_batch(&self, changes: usize, busy: Duration) {
        let changes = u64::try_from(changes).unwrap_or(u64::MAX);
        let nanos = u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX);
        self.changes.fetch_add(changes, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.busy_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Activity {
        Activity {
            changes: self.changes.load(Ordering::Relaxed),
            batches: self.batches.load(Ordering::Relaxed),
            busy: Duration::from_nanos(self.busy_nanos.load(Ordering::Relaxed)),
        }
    }
}
