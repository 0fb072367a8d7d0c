//! Registration of a registry's metrics, and those that are computed when metrics are read.

use std::fmt;

use edge_cache_core::metrics::{Computed, MetricsWriter};
use prometheus_client::registry::Registry;
use strum::VariantArray;

use crate::metrics::RegistryMetrics;
use crate::registry::EdgeCacheRegistry;
use crate::traffic::Traffic;
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
        registry.register_collector(Computed::new(&self.shared, |shared, writer| {
            let registry = Self { shared };
            write_state(&registry, writer)?;
            write_plugin(&registry, writer)
        }));
    }
}

fn write_state(registry: &EdgeCacheRegistry, writer: &mut MetricsWriter<'_>) -> fmt::Result {
    let (decisions, routing) = (registry.decision_counts(), registry.routing());
    writer.gauge("nodes", "Eligible nodes.", registry.list_eligible().len())?;
    let snapshot = registry.snapshot();
    writer.gauge(
        "nodes_not_advertised",
        "Eligible nodes that do not advertise it: nobody with their id is live, or their agent follows another decision.",
        snapshot.not_advertised(),
    )?;
    writer.gauge(
        "registry_hash",
        "First 48 bits of a hash of the effective decisions, without those that disable a node and are carried out: the same on agents that hold the same and carry out the same.",
        snapshot.hash(),
    )?;
    writer.gauge(
        "nodes_max",
        "Value of the setting `limits.nodes_max`.",
        registry.plugin().config().limits.nodes_max,
    )?;
    writer.gauges(
        "decisions_set_aside",
        "Effective decisions that this agent does not carry out: the plugin refused them or failed on them, or the registry is full.",
        "reason",
        [
            ("refused", decisions.refused),
            ("failed", decisions.failed),
            ("full", decisions.full),
        ],
    )?;
    let own = registry.node_id().map(|own| registry.stats(own));
    let own = own.unwrap_or_default();
    writer.counter(
        "hits",
        "Requests that the cache of this node served since the node was enabled.",
        own.hits,
    )?;
    writer.counter(
        "misses",
        "Requests that the cache of this node passed on to the origin since the node was enabled.",
        own.misses,
    )?;
    writer.gauge(
        "queue_depth",
        "Changes that wait for the writer.",
        registry.queue_depth(),
    )?;
    writer.gauge(
        "store_failed",
        "1 while the store fails and changes are refused.",
        registry.status().store_failure.is_some(),
    )?;
    writer.gauge(
        "routing_candidates",
        "Nodes that keys are routed to.",
        routing.candidates,
    )?;
    writer.gauge(
        "routing_unassessed_members",
        "Members whose current labels are not assessed: too many, or the plugin failed on them.",
        routing.unjudged,
    )?;
    write_traffic(registry, writer)?;
    writer.gauges(
        "decisions",
        "Effective decisions by operation, one for each node.",
        "op",
        [
            ("enable", decisions.enabled),
            ("disable", decisions.disabled),
        ],
    )
}

fn write_traffic(registry: &EdgeCacheRegistry, writer: &mut MetricsWriter<'_>) -> fmt::Result {
    let table = registry.traffic().and_then(Traffic::table);
    let (caches, without, is_held) = table.map_or((0, 0, false), |table| {
        (table.len(), table.without_address(), table.is_held())
    });
    writer.gauge(
        "traffic_caches",
        "Nodes that keys are routed to and whose cache has an address.",
        caches,
    )?;
    writer.gauge(
        "traffic_nodes_without_address",
        "Nodes that keys are routed to and that the traffic listener leaves out for want of an address.",
        without,
    )?;
    writer.gauge(
        "traffic_addresses_refused",
        "Live nodes whose address of a cache is refused.",
        registry.cache_addresses().refused().len(),
    )?;
    writer.gauge(
        "traffic_table_held",
        "1 while the last traffic table is held because more than half of the members failed at once.",
        is_held,
    )
}

fn write_plugin(registry: &EdgeCacheRegistry, writer: &mut MetricsWriter<'_>) -> fmt::Result {
    let (status, log, plugin) = (registry.status(), registry.log(), registry.plugin());
    let (policy, metadata) = (plugin.policy(), plugin.metadata());
    let said = [
        ("name", &metadata.name),
        ("version", &metadata.version),
        ("licenses", &metadata.licenses),
    ];
    let said = said
        .into_iter()
        .filter_map(|(label, text)| Some((label, text.as_deref()?)));
    let labels: Vec<_> = [("policy", &*policy)].into_iter().chain(said).collect();
    writer.info(
        "plugin_info",
        "1 for the policy that the current plugin and its settings make, and for what the plugin says of itself.",
        &labels,
    )?;
    writer.gauges(
        "plugin_state",
        "1 for the current plugin state.",
        "state",
        PluginState::VARIANTS
            .iter()
            .map(|state| (state.into(), *state == status.state)),
    )?;
    writer.counter(
        "plugin_restarts",
        "Fresh instances that replaced a failed one.",
        status.restarts,
    )?;
    writer.counters(
        "plugin_log_lines",
        "Lines of the plugin's log; too many in a second are dropped.",
        "result",
        [("kept", log.kept_total()), ("dropped", log.dropped_total())],
    )
}
