//! Values counted by size, for whoever watches a registry.
//!
//! The bounds are fixed, so that counting is two additions and needs no lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// How many values of which size were counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// The largest value that each count but the last holds, ascending.
    pub bounds: &'static [u64],
    /// The values up to each bound and beyond the one before it; at the end, those beyond all bounds.
    pub counts: Vec<u64>,
    /// All values, summed.
    pub sum: u64,
}

impl Histogram {
    /// How many values were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }
}

/// The counters behind a [`Histogram`]. Each counts on its own: a reader may see a value before the sum has it.
#[derive(Debug)]
pub struct HistogramCounters {
    bounds: &'static [u64],
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl HistogramCounters {
    /// None counted yet. The bounds ascend.
    pub fn new(bounds: &'static [u64]) -> Self {
        let beyond = AtomicU64::default();
        let counts = bounds.iter().map(|_| AtomicU64::default());
        Self {
            bounds,
            counts: counts.chain([beyond]).collect(),
            sum: AtomicU64::default(),
        }
    }

    /// Counts a value.
    pub fn add(&self, value: u64) {
        let index = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(index) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Counts a time, in nanoseconds.
    pub fn add_time(&self, time: Duration) {
        self.add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Returns the current counts.
    pub fn read(&self) -> Histogram {
        let counts = self.counts.iter();
        Histogram {
            bounds: self.bounds,
            counts: counts.map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}
