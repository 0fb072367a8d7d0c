//! Prometheus metrics of an agent: one registry composed of those of its parts.
//!
//! Label values are words of this program, so their number is bounded: never a node, a key, a path or an
//! address.

mod http;
mod process;
mod traffic;

use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::cache_check::CheckMetrics;
use crate::reload::Reloader;
use edge_cache_host::EdgeCacheRegistry;
use edge_cache_host::gossip::GossipPool;

pub use self::http::ListenerMetrics;
pub use self::traffic::TrafficMetrics;

pub(super) use self::http::{HttpMetrics, NO_ROUTE};

use self::process::Process;

/// Media type of the encoded metrics.
pub(super) const MEDIA_TYPE: &str = prometheus_text::CONTENT_TYPE;
/// Prefix of all names but those of the process.
const PREFIX: &str = "edge_cache";

/// All metrics of an agent.
#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) http: HttpMetrics,
    pub(super) traffic: TrafficMetrics,
    pub(super) check: CheckMetrics,
    /// 1 while the agent is ready.
    pub(super) ready: Gauge,
    /// Warnings of the readiness check.
    pub(super) warnings: Gauge,
    /// 1 while another plugin than the declared one runs.
    pub(super) undeclared: Gauge,
    registry: Registry,
}

impl Metrics {
    /// Composes the metrics of an agent with this registry, and with this pool if gossip is on.
    pub(super) fn new(
        edge_cache: &EdgeCacheRegistry,
        gossip: Option<&GossipPool>,
        reloader: &Reloader,
    ) -> Self {
        let http = HttpMetrics::default();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process::started_now()));
        let prefixed = registry.sub_registry_with_prefix(PREFIX);
        let build = Family::<[(&str, &str); 1], Gauge>::default();
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        build.get_or_create(&version).set(1);
        prefixed.register("build_info", "Version of the agent", build);
        edge_cache.register_metrics(prefixed);
        if let Some(pool) = gossip {
            pool.register_metrics(prefixed);
        }
        http.register(prefixed);
        reloader.register_metrics(prefixed);
        let traffic = TrafficMetrics::register(prefixed);
        let check = CheckMetrics::default();
        check.register(prefixed);
        let (ready, warnings) = (Gauge::default(), Gauge::default());
        prefixed.register("ready", "1 while the agent is ready", ready.clone());
        let help = "Warnings that `GET /health/readyz` shows";
        prefixed.register("warnings", help, warnings.clone());
        let undeclared = Gauge::default();
        prefixed.register(
            "plugin_undeclared",
            "1 while another plugin, or other settings, run than the agent's settings declare",
            undeclared.clone(),
        );
        Self {
            http,
            traffic,
            check,
            ready,
            warnings,
            undeclared,
            registry,
        }
    }

    /// Encodes all metrics as Prometheus text.
    pub(super) fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = prometheus_text::encode(&mut text, &self.registry);
        text
    }
}
