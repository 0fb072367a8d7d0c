//! Prometheus metrics of the calls into a plugin.
//!
//! They outlive instances: [`Instance::start_counted`](crate::Instance::start_counted) takes them.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use edge_cache_core::metrics;
use edge_cache_core::metrics::{FixedLabels, counters};

use super::failure::{Failure, INSTANTIATION};

#[cfg(test)]
mod tests;

/// Upper bounds of the buckets of call durations, in seconds.
const CALL_BUCKETS: [f64; 22] = [
    1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
];

/// Exports of a plugin, and the start of an instance.
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

/// Kinds of a [`Failure`].
const KINDS: [&str; 11] = [
    "contract", "data", "deadline", "handles", "memory", "objects", "random", "refused", "stack",
    "table", "trap",
];

metrics! {
    /// Metrics of the calls into a plugin. Clones share them.
    #[derive(Debug, Clone)]
    pub struct CallMetrics {
        /// Duration of calls into the plugin, by export.
        durations: Family<FixedLabels<1>, Histogram> =
            "plugin_call_duration" in Seconds, durations();
        /// Failures of the plugin, by export and kind: the exceeded limit or the kind of error.
        failures: Family<FixedLabels<2>, Counter> = "plugin_failures", counters(all_failures());
    }
}

impl CallMetrics {
    /// Counts a call, also one that failed.
    pub(super) fn called(&self, call: &'static str, took: Duration) {
        let duration = self.durations.get_or_create(&[("export", call)]);
        duration.observe(took.as_secs_f64());
    }

    /// Counts a failure for which an instance is dropped.
    pub fn failed(&self, failure: &Failure) {
        let labels = [("export", failure.call()), ("kind", failure.kind())];
        self.failures.get_or_create(&labels).inc();
    }
}

fn durations() -> Family<FixedLabels<1>, Histogram> {
    let durations: Family<_, _> = Family::new_with_constructor(|| Histogram::new(CALL_BUCKETS));
    for call in CALLS {
        durations.get_or_create_owned(&[("export", call)]);
    }
    durations
}

fn all_failures() -> impl Iterator<Item = FixedLabels<2>> {
    let kinds = |call| KINDS.map(|kind| [("export", call), ("kind", kind)]);
    CALLS.into_iter().flat_map(kinds)
}
