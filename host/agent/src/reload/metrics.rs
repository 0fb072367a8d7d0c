//! Metrics of reloads.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::gauge::Gauge;

use edge_cache_core::metrics;

metrics! {
    /// Metrics of reloads. Clones share them.
    #[derive(Debug, Clone)]
    pub(super) struct ReloadMetrics {
        /// 1 if the last reload failed in no part, or none has been asked for.
        successful: Gauge = "config_last_reload_successful";
        /// Time of the last reload that failed in no part, or of the start, in seconds since the Unix epoch.
        succeeded_at: Gauge = "config_last_reload_success_timestamp" in Seconds;
        /// Time until which the certificate of the API is valid, in seconds since the Unix epoch; 0 without TLS.
        certificate_expiry: Gauge = "certificate_expiry_timestamp" in Seconds;
    }
}

impl ReloadMetrics {
    /// Returns the metrics of an agent that starts now. The gauge is the end of its certificate.
    pub(super) fn started_now(certificate_expiry: Gauge) -> Self {
        let metrics = Self {
            certificate_expiry,
            ..Self::default()
        };
        metrics.succeeded();
        metrics
    }

    pub(super) fn certificate_expiry(&self) -> i64 {
        self.certificate_expiry.get()
    }

    /// Notes a reload that failed in no part.
    pub(super) fn succeeded(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        self.succeeded_at.set(now);
        self.successful.set(1);
    }

    /// Notes a reload that failed.
    pub(super) fn failed(&self) {
        self.successful.set(0);
    }
}
