//! Metrics of the HTTP API.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

#[cfg(test)]
mod tests;

/// Upper bounds of the buckets of request durations, in seconds.
const DURATION_BUCKETS: [f64; 18] = [
    5e-5, 1e-4, 2.5e-4, 5e-4, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 60.0,
];
/// Methods that routes take. All others count as `other`.
const METHODS: [&str; 5] = ["GET", "HEAD", "POST", "PUT", "DELETE"];
/// Route of requests that no route matches.
const NO_ROUTE: &str = "none";

/// Metrics of the HTTP API. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct HttpMetrics {
    /// Clients that follow the events.
    pub(crate) event_subscribers: Gauge,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram>,
    connections: Family<ListenerLabels, Gauge>,
    accepted: Family<ListenerLabels, Counter>,
    handshake_failures: Family<ListenerLabels, Counter>,
}

/// Metrics of one listener's connections. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct ListenerMetrics {
    /// Open connections.
    pub(crate) connections: Gauge,
    /// Accepted connections.
    pub(crate) accepted: Counter,
    /// Connections closed because the TLS handshake failed.
    pub(crate) handshake_failures: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
    method: &'static str,
}

type ListenerLabels = [(&'static str, &'static str); 1];

impl Default for HttpMetrics {
    fn default() -> Self {
        Self {
            event_subscribers: Gauge::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS)),
            connections: Family::default(),
            accepted: Family::default(),
            handshake_failures: Family::default(),
        }
    }
}

impl HttpMetrics {
    /// Counts a response. The route is a template of the router, never a path: no request makes a series of
    /// its own.
    pub(crate) fn answered(
        &self,
        route: Option<&str>,
        method: &Method,
        status: StatusCode,
        took: Duration,
    ) {
        let route = route.unwrap_or(NO_ROUTE).to_string();
        let mut known = METHODS.into_iter();
        let method = known.find(|known| *known == method.as_str());
        let labels = RouteLabels {
            route,
            method: method.unwrap_or("other"),
        };
        let duration = self.durations.get_or_create(&labels);
        duration.observe(took.as_secs_f64());
        drop(duration);
        let labels = RequestLabels {
            route: labels.route,
            method: labels.method,
            code: status.as_u16(),
        };
        self.requests.get_or_create(&labels).inc();
    }

    /// Returns the metrics of the listener with this name, from then on with its series.
    pub(crate) fn listener(&self, name: &'static str) -> ListenerMetrics {
        let labels = [("listener", name)];
        ListenerMetrics {
            connections: self.connections.get_or_create_owned(&labels),
            accepted: self.accepted.get_or_create_owned(&labels),
            handshake_failures: self.handshake_failures.get_or_create_owned(&labels),
        }
    }

    /// Registers all of these metrics.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_requests",
            "HTTP responses, by route, method and status code",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "Time until a response began, by route and method",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register(
            "http_connections",
            "Open HTTP connections, by listener",
            self.connections.clone(),
        );
        registry.register(
            "http_connections_accepted",
            "Accepted HTTP connections, by listener",
            self.accepted.clone(),
        );
        registry.register(
            "http_tls_handshake_failures",
            "HTTP connections closed because the TLS handshake failed, by listener",
            self.handshake_failures.clone(),
        );
        registry.register(
            "event_subscribers",
            "Clients that follow the events",
            self.event_subscribers.clone(),
        );
    }
}
