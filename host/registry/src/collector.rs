//! Registration of a registry's metrics, and those that are computed when metrics are read.

use std::fmt;
use std::sync::{Arc, Weak};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use strum::VariantArray;

use crate::metrics::RegistryMetrics;
use crate::registry::{EdgeCacheRegistry, Handle};
use edge_cache_core::PluginState;

impl EdgeCacheRegistry {
    /// Returns the counters of this registry.
    #[must_use]
    pub fn metrics(&self) -> &RegistryMetrics {
        &self.shared.state.metrics
    }

    /// Registers the metrics of this registry, its plugin and routing. The documented names have the prefix
    /// `edge_cache`, which is the Prometheus registry's. A gossip pool registers its own.
    ///
    /// The Prometheus registry does not keep this one alive: gauges of a dropped one are left out.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.metrics().register(registry);
        let shared = Arc::downgrade(&self.shared);
        registry.register_collector(Box::new(Status { shared }));
    }
}

/// Values that are computed when metrics are read.
struct Status {
    shared: Weak<Handle>,
}

impl Collector for Status {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(shared) = self.shared.upgrade() else {
            return Ok(());
        };
        let registry = EdgeCacheRegistry { shared };
        encode_state(&registry, &mut encoder)?;
        encode_plugin(&registry, &mut encoder)
    }
}

fn encode_state(registry: &EdgeCacheRegistry, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let (decisions, routing) = (registry.decision_counts(), registry.routing());
    let mut gauge = |name, help, value: usize| {
        let encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(whole(value)).encode(encoder)
    };
    gauge("nodes", "Eligible nodes.", registry.list_eligible().len())?;
    gauge(
        "decisions_refused",
        "Effective decisions that this agent's plugin refused.",
        decisions.refused,
    )?;
    gauge(
        "queue_depth",
        "Changes that wait for the writer.",
        registry.queue_depth(),
    )?;
    gauge(
        "store_failed",
        "1 while the store fails and changes are refused.",
        registry.status().store_failure.is_some().into(),
    )?;
    gauge(
        "routing_candidates",
        "Nodes that keys are routed to.",
        routing.candidates,
    )?;
    gauge(
        "routing_unassessed_members",
        "Members whose current labels are not assessed: too many, or the plugin failed on them.",
        routing.unjudged,
    )?;
    let mut family = encoder.encode_descriptor(
        "decisions",
        "Effective decisions by operation, one for each node.",
        None,
        MetricType::Gauge,
    )?;
    for (op, count) in [
        ("enable", decisions.enabled),
        ("disable", decisions.disabled),
    ] {
        ConstGauge::new(whole(count)).encode(family.encode_family(&[("op", op)])?)?;
    }
    Ok(())
}

fn encode_plugin(registry: &EdgeCacheRegistry, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let (status, log, plugin) = (registry.status(), registry.log(), registry.plugin());
    let mut info = encoder.encode_descriptor(
        "plugin_info",
        "1 for the policy that the current plugin and its settings make.",
        None,
        MetricType::Gauge,
    )?;
    ConstGauge::new(1_u64).encode(info.encode_family(&[("policy", plugin.policy())])?)?;
    let mut family = encoder.encode_descriptor(
        "plugin_state",
        "1 for the current plugin state.",
        None,
        MetricType::Gauge,
    )?;
    for &state in PluginState::VARIANTS {
        let name: &str = state.into();
        let is_current = u64::from(state == status.state);
        ConstGauge::new(is_current).encode(family.encode_family(&[("state", name)])?)?;
    }
    let restarts = encoder.encode_descriptor(
        "plugin_restarts",
        "Fresh instances that replaced a failed one.",
        None,
        MetricType::Counter,
    )?;
    ConstCounter::new(status.restarts).encode(restarts)?;
    let mut family = encoder.encode_descriptor(
        "plugin_log_lines",
        "Lines of the plugin's log; too many in a second are dropped.",
        None,
        MetricType::Counter,
    )?;
    for (result, count) in [("kept", log.kept_total()), ("dropped", log.dropped_total())] {
        ConstCounter::new(count).encode(family.encode_family(&[("result", result)])?)?;
    }
    Ok(())
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Status").finish_non_exhaustive()
    }
}

fn whole(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
