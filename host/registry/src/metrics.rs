//! Prometheus metrics of a registry, counted where the work is done.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use edge_cache_core::EdgeCacheError;
use edge_cache_sandbox::CallMetrics;

#[cfg(test)]
mod tests;

/// Upper bounds of the buckets of batch sizes, in changes.
const BATCH_BUCKETS: [f64; 11] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0,
];
/// Upper bounds of the buckets of commit and table build durations, in seconds.
const DURATION_BUCKETS: [f64; 16] = [
    1e-4, 2e-4, 5e-4, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
];

/// Results of a change. A decision of another agent that the plugin refuses is `ok`: it is effective all the
/// same.
const RESULTS: [&str; 9] = [
    "ok",
    "labels-refused",
    "node-not-found",
    "invalid-capacity",
    "plugin-failed",
    "store-failed",
    "registry-full",
    "busy",
    "shutting-down",
];

/// Kinds of changes; `merge` is a decision of another agent.
const OPERATIONS: [&str; 4] = ["enable", "disable", "add-stats", "merge"];

/// Metrics of an [`EdgeCacheRegistry`](crate::EdgeCacheRegistry) since its start.
///
/// Each metric counts on its own: a batch counts just after its last change was answered.
#[derive(Debug)]
pub struct RegistryMetrics {
    /// Time from taking up a batch to its last answer, in seconds.
    pub writer_busy: Counter<f64, AtomicU64>,
    /// Failures of the store, at a commit or when it was opened again.
    pub store_failures: Counter,
    /// Calls into the plugin.
    pub calls: CallMetrics,
    /// Routing.
    pub routing: RoutingMetrics,
    /// By operation and result, changes that never reached the writer included.
    changes: Family<[(&'static str, &'static str); 2], Counter>,
    batch_changes: Histogram,
    commit_duration: Histogram,
}

/// Metrics of routing since the registry's start.
#[derive(Debug, Clone)]
pub struct RoutingMetrics {
    /// Assessments of members' labels by the plugin.
    pub assessments: Counter,
    /// Assessments at which the plugin failed.
    pub failures: Counter,
    /// Size of the current table.
    pub(crate) table_bytes: Gauge,
    pub(crate) table_build_duration: Histogram,
}

impl Default for RegistryMetrics {
    fn default() -> Self {
        let changes = Family::<_, Counter>::default();
        for operation in OPERATIONS {
            for result in RESULTS {
                let labels = [("operation", operation), ("result", result)];
                changes.get_or_create_owned(&labels);
            }
        }
        Self {
            writer_busy: Counter::default(),
            store_failures: Counter::default(),
            calls: CallMetrics::default(),
            routing: RoutingMetrics::default(),
            changes,
            batch_changes: Histogram::new(BATCH_BUCKETS),
            commit_duration: Histogram::new(DURATION_BUCKETS),
        }
    }
}

impl Default for RoutingMetrics {
    fn default() -> Self {
        Self {
            assessments: Counter::default(),
            failures: Counter::default(),
            table_bytes: Gauge::default(),
            table_build_duration: Histogram::new(DURATION_BUCKETS),
        }
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

    pub(crate) fn add_commit(&self, took: Duration) {
        self.commit_duration.observe(took.as_secs_f64());
    }

    /// Registers all of these metrics.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "changes",
            "Changes of the registry, by operation and result",
            self.changes.clone(),
        );
        registry.register(
            "batch_changes",
            "Changes in one batch, which is one commit",
            self.batch_changes.clone(),
        );
        registry.register_with_unit(
            "writer_busy",
            "Time the writer spent on changes",
            Unit::Seconds,
            self.writer_busy.clone(),
        );
        registry.register_with_unit(
            "store_commit_duration",
            "Duration of commits to the store, failed ones included",
            Unit::Seconds,
            self.commit_duration.clone(),
        );
        registry.register(
            "store_failures",
            "Failures of the store, at a commit or when it was opened again",
            self.store_failures.clone(),
        );
        self.calls.register(registry);
        self.routing.register(registry);
    }
}

impl RoutingMetrics {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "routing_assessments",
            "Assessments of members' labels by the plugin",
            self.assessments.clone(),
        );
        registry.register(
            "routing_assessment_failures",
            "Assessments at which the plugin failed",
            self.failures.clone(),
        );
        registry.register_with_unit(
            "routing_table_build_duration",
            "Time spent building a routing table",
            Unit::Seconds,
            self.table_build_duration.clone(),
        );
        registry.register_with_unit(
            "routing_table",
            "Size of the current routing table",
            Unit::Bytes,
            self.table_bytes.clone(),
        );
    }
}
