//! Metrics of the HTTP API.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use edge_cache_api::ProblemType;
use edge_cache_core::metrics;
use edge_cache_core::metrics::{FixedLabels, counters};

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
pub(crate) const NO_ROUTE: &str = "none";

metrics! {
    /// Metrics of the HTTP API. Clones share them.
    #[derive(Debug, Clone)]
    pub(crate) struct HttpMetrics {
        /// HTTP responses, by route, method and status code.
        requests: Family<RequestLabels, Counter> = "http_requests";
        /// HTTP requests answered with a problem document, by its type.
        problems: Family<FixedLabels<1>, Counter> = "http_problems",
            counters(ProblemType::ALL.iter().map(|problem| [("type", problem.name())]));
        /// Time until a response began, by route and method.
        durations: Family<RouteLabels, Histogram> = "http_request_duration" in Seconds,
            Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS));
        /// Open HTTP connections, by listener.
        connections: Family<FixedLabels<1>, Gauge> = "http_connections";
        /// Accepted HTTP connections, by listener.
        accepted: Family<FixedLabels<1>, Counter> = "http_connections_accepted";
        /// HTTP connections closed because the TLS handshake failed, by listener.
        handshake_failures: Family<FixedLabels<1>, Counter> = "http_tls_handshake_failures";
        /// HTTP connections closed because their client is in none of the allowed networks, by listener.
        refused: Family<FixedLabels<1>, Counter> = "http_connections_refused";
        /// Clients that follow the events.
        pub(crate) event_subscribers: Gauge = "event_subscribers";
    }
}

/// Metrics of one listener's connections. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct ListenerMetrics {
    pub(crate) connections: Gauge,
    pub(crate) accepted: Counter,
    /// Connections closed because the TLS handshake failed.
    pub(crate) handshake_failures: Counter,
    /// Connections closed because their client is in none of the allowed networks.
    pub(crate) refused: Counter,
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

impl HttpMetrics {
    /// Counts a response. The route is a template of the router, never a path: no request makes a series of
    /// its own.
    pub(crate) fn answered(
        &self,
        route: &str,
        method: &Method,
        status: StatusCode,
        took: Duration,
    ) {
        let mut known = METHODS.into_iter();
        let method = known.find(|known| *known == method.as_str());
        let labels = RouteLabels {
            route: route.to_string(),
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

    /// Counts a problem document.
    pub(crate) fn problem(&self, problem_type: ProblemType) {
        let labels = [("type", problem_type.name())];
        self.problems.get_or_create(&labels).inc();
    }

    /// Returns the metrics of the listener with this name, from then on with its series.
    pub(crate) fn listener(&self, name: &'static str) -> ListenerMetrics {
        let labels = [("listener", name)];
        ListenerMetrics {
            connections: self.connections.get_or_create_owned(&labels),
            accepted: self.accepted.get_or_create_owned(&labels),
            handshake_failures: self.handshake_failures.get_or_create_owned(&labels),
            refused: self.refused.get_or_create_owned(&labels),
        }
    }
}
