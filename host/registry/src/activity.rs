//! What the writer has done, counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::writer::queue::Outcome;
use edge_cache_core::EdgeCacheError;
use edge_cache_core::histogram::{Histogram, HistogramCounters};
use edge_cache_sandbox::{CallCounters, Calls};

#[cfg(test)]
mod tests;

/// The bounds of the sizes of batches, in changes.
const BATCH_BOUNDS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];
/// The bounds of the times of commits, in nanoseconds: 100 µs to 10 s.
const COMMIT_BOUNDS: &[u64] = &[
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

/// The changes that there are; the last is a decision of another agent's.
const OPERATIONS: [&str; 4] = ["enable", "disable", "add-stats", "merge"];
/// What becomes of them. A merge that the component refuses is `made`: the decision stands all the same.
const RESULTS: [&str; 9] = [
    "made",
    "labels-refused",
    "node-not-found",
    "invalid-capacity",
    "plugin-failed",
    "store-failed",
    "registry-full",
    "busy",
    "shutting-down",
];

/// What a registry has done since it started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Activity {
    /// Changes that the writer has answered, with success or an error.
    pub changes: u64,
    /// Changes by operation and result, in words that stay the same. Those that never came to the writer are
    /// among them; pairs that never were are left out.
    pub results: BTreeMap<(&'static str, &'static str), u64>,
    /// Batches that the changes were made in; each is at most one commit, and one more for each failure.
    pub batches: u64,
    /// How many changes were in a batch.
    pub batch_sizes: Histogram,
    /// The time from taking up a batch to its last answer, summed.
    pub busy: Duration,
    /// How long commits to the store took, in nanoseconds; those that failed, too.
    pub commits: Histogram,
    /// How often the store failed, at a commit or when it was opened again.
    pub store_failures: u64,
    /// The calls into the component.
    pub calls: Calls,
}

/// The counters behind [`Activity`]; the writer adds, anyone reads.
#[derive(Debug)]
pub(crate) struct Counters {
    changes: AtomicU64,
    results: [[AtomicU64; RESULTS.len()]; OPERATIONS.len()],
    batches: AtomicU64,
    batch_sizes: HistogramCounters,
    busy_nanos: AtomicU64,
    commits: HistogramCounters,
    store_failures: AtomicU64,
    pub(crate) calls: Arc<CallCounters>,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            changes: AtomicU64::default(),
            results: Default::default(),
            batches: AtomicU64::default(),
            batch_sizes: HistogramCounters::new(BATCH_BOUNDS),
            busy_nanos: AtomicU64::default(),
            commits: HistogramCounters::new(COMMIT_BOUNDS),
            store_failures: AtomicU64::default(),
            calls: Arc::default(),
        }
    }
}

impl Counters {
    pub(crate) fn add_batch(&self, changes: usize, busy: Duration) {
        let changes = u64::try_from(changes).unwrap_or(u64::MAX);
        let nanos = u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX);
        self.changes.fetch_add(changes, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.batch_sizes.add(changes);
        self.busy_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Counts what became of a change; the operation is one of [`OPERATIONS`].
    pub(crate) fn add_result(
        &self,
        operation: &'static str,
        result: &Result<Outcome, EdgeCacheError>,
    ) {
        let word = result
            .as_ref()
            .map_or_else(EdgeCacheError::kind, |_| "made");
        let operation = OPERATIONS.iter().position(|name| *name == operation);
        let result = RESULTS.iter().position(|name| *name == word);
        let row = operation.and_then(|index| self.results.get(index));
        let cell = row.zip(result).and_then(|(row, index)| row.get(index));
        if let Some(cell) = cell {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn add_commit(&self, took: Duration) {
        self.commits.add_time(took);
    }

    pub(crate) fn add_store_failure(&self) {
        self.store_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Activity {
        let mut results = BTreeMap::new();
        for (operation, row) in OPERATIONS.into_iter().zip(&self.results) {
            for (result, cell) in RESULTS.into_iter().zip(row) {
                let count = cell.load(Ordering::Relaxed);
                if count > 0 {
                    results.insert((operation, result), count);
                }
            }
        }
        Activity {
            changes: self.changes.load(Ordering::Relaxed),
            results,
            batches: self.batches.load(Ordering::Relaxed),
            batch_sizes: self.batch_sizes.read(),
            busy: Duration::from_nanos(self.busy_nanos.load(Ordering::Relaxed)),
            commits: self.commits.read(),
            store_failures: self.store_failures.load(Ordering::Relaxed),
            calls: self.calls.read(),
        }
    }
}
