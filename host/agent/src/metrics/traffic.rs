//! Metrics of the traffic listener.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use edge_cache_core::metrics::FixedLabels;

/// Counters of picks by result. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct TrafficMetrics {
    /// Picks that named caches.
    pub(crate) routed: Counter,
    /// Picks that named the fallback.
    pub(crate) fallback: Counter,
    /// Picks that named nothing: no cache is eligible, or the routing table is not whole yet.
    pub(crate) unavailable: Counter,
}

impl TrafficMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let picks = Family::<FixedLabels<1>, Counter>::default();
        let of = |result| picks.get_or_create_owned(&[("result", result)]);
        let metrics = Self {
            routed: of("routed"),
            fallback: of("fallback"),
            unavailable: of("unavailable"),
        };
        let help = "Answers of the traffic listener to proxies, by result";
        registry.register("traffic_picks", help, picks);
        metrics
    }
}
