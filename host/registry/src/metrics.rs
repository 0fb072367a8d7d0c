//! Prometheus metrics of a registry, counted where the work is done.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use strum::VariantNames;

use edge_cache_core::metrics::{FixedLabels, counters};
use edge_cache_core::{EdgeCacheError, metrics};
use edge_cache_sandbox::CallMetrics;

#[cfg(test)]
mod tests;

/// Upper bounds of the buckets of batch sizes, in changes.
const BATCH_BUCKETS: [f64; 11] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0,
];
/// Upper bounds of the buckets of waits, commits and table builds, in seconds.
const DURATION_BUCKETS: [f64; 16] = [
    1e-4, 2e-4, 5e-4, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
];

/// Kinds of changes; `merge` is a decision of another agent.
const OPERATIONS: [&str; 5] = ["enable", "disable", "add-stats", "put-source", "merge"];

metrics! {
    /// Metrics of an [`EdgeCacheRegistry`](crate::EdgeCacheRegistry) since its start.
    ///
    /// Each metric counts on its own: a batch counts just after its last change was answered.
    #[derive(Debug)]
    pub struct RegistryMetrics {
        /// Changes of the registry, by operation and result.
        changes: Family<FixedLabels<2>, Counter> = "changes", counters(all_changes());
        /// Changes in one batch, which is one commit.
        batch_changes: Histogram = "batch_changes", Histogram::new(BATCH_BUCKETS);
        /// Time the writer spent on changes.
        pub writer_busy: Counter<f64, AtomicU64> = "writer_busy" in Seconds;
        /// Time that changes waited: for a free slot of the queue, then for the writer.
        queue_wait: Histogram = "queue_wait" in Seconds, Histogram::new(DURATION_BUCKETS);
        /// Duration of commits to the store, failed ones included.
        commit_duration: Histogram =
            "store_commit_duration" in Seconds, Histogram::new(DURATION_BUCKETS);
        /// Failures of the store, at a commit or when it was opened again.
        pub store_failures: Counter = "store_failures";
        /// Values of the store that break a bound and were ignored when it was opened.
        pub store_values_ignored: Counter = "store_values_ignored";
        /// Decisions that were forgotten, or never remembered, because there are too many.
        pub decisions_forgotten: Counter = "decisions_forgotten";
        /// Decisions of this agent that another one's overruled within ten minutes, heard late or stamped by a clock ahead.
        pub decisions_overruled: Counter = "decisions_overruled";
        /// Calls into the plugin.
        pub calls: CallMetrics;
        /// Routing.
        pub routing: RoutingMetrics;
    }
}

metrics! {
    /// Metrics of routing since the registry's start.
    #[derive(Debug, Clone)]
    pub struct RoutingMetrics {
        /// Assessments of members' labels by the plugin.
        pub assessments: Counter = "routing_assessments";
        /// Assessments at which the plugin failed.
        pub failures: Counter = "routing_assessment_failures";
        /// Time spent building a routing table.
        pub(crate) table_build_duration: Histogram =
            "routing_table_build_duration" in Seconds, Histogram::new(DURATION_BUCKETS);
        /// Size of the current routing table.
        pub(crate) table_bytes: Gauge = "routing_table" in Bytes;
    }
}

impl RegistryMetrics {
    pub(crate) fn add_batch(&self, changes: usize, busy: Duration) {
        self.batch_changes.observe(changes as f64);
        self.writer_busy.inc_by(busy.as_secs_f64());
    }

    /// Counts the result of a change.
    pub(crate) fn add_result<T>(
        &self,
        operation: &'static str,
        result: &Result<T, EdgeCacheError>,
    ) {
        let result = result.as_ref().map_or_else(EdgeCacheError::kind, |_| "ok");
        let labels = [("operation", operation), ("result", result)];
        self.changes.get_or_create(&labels).inc();
    }

    pub(crate) fn add_wait(&self, waited: Duration) {
        self.queue_wait.observe(waited.as_secs_f64());
    }

    pub(crate) fn add_commit(&self, took: Duration) {
        self.commit_duration.observe(took.as_secs_f64());
    }
}

/// Returns all results of a change. A decision of another agent that the plugin refuses is `ok`: it is effective
/// all the same.
fn results() -> impl Iterator<Item = &'static str> {
    ["ok"].iter().chain(EdgeCacheError::VARIANTS).copied()
}

fn all_changes() -> impl Iterator<Item = FixedLabels<2>> {
    OPERATIONS.into_iter().flat_map(|operation| {
        results().map(move |result| [("operation", operation), ("result", result)])
    })
}
