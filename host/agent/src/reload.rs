//! The reload of an agent: it reads settings, keys, tokens, certificate, trust rules and plugin again, and reopens the
//! audit file.
//!
//! SIGHUP and the HTTP API ask the same [`Reloader`]. A part that cannot be used goes on in its former state, and holds up
//! no other: settings with a mistake do not keep a token that was revoked. Reloads take turns at each part by itself: new
//! tokens and keys do not wait for a plugin that an earlier reload still compiles.

mod metrics;
mod part;
mod settings;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::task::JoinHandle;
use tracing::Instrument;

use self::metrics::ReloadMetrics;
use edge_cache_api::{ReloadOutcome, ReloadReport, ReloadedPart, Setting};
use edge_cache_host::AUDIT_TARGET;

pub(crate) use self::part::{Part, Reloaded};
pub(crate) use self::settings::RunningSettings;

/// The reloader of an agent. Clones share it; the default has neither settings nor parts.
#[derive(Clone)]
pub struct Reloader(Arc<Inner>);

struct Inner {
    /// None where a reload reads no settings.
    settings: Option<RunningSettings>,
    parts: Vec<Part>,
    /// Names of the parts that failed at the last reload.
    failed: ArcSwap<Vec<String>>,
    metrics: ReloadMetrics,
}

impl Reloader {
    /// Creates a reloader of these parts, in this order, after the settings. The gauge is the end of the certificate.
    pub(crate) fn new(
        settings: RunningSettings,
        parts: Vec<Part>,
        certificate_expiry: Gauge,
    ) -> Self {
        Self::of(Some(settings), parts, certificate_expiry)
    }

    fn of(settings: Option<RunningSettings>, parts: Vec<Part>, certificate_expiry: Gauge) -> Self {
        Self(Arc::new(Inner {
            settings,
            parts,
            failed: ArcSwap::default(),
            metrics: ReloadMetrics::started_now(certificate_expiry),
        }))
    }

    /// Begins to reload the settings, then each part, and returns the task. It logs what has changed, what failed and what
    /// needs a restart, and completes even if the caller goes away.
    pub(crate) fn reload(&self) -> JoinHandle<ReloadReport> {
        let inner = self.0.clone();
        let reload = async move { inner.reload().await };
        tokio::spawn(reload.in_current_span())
    }

    /// Returns the settings in effect, without secrets.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let settings = self.0.settings.as_ref();
        settings.map(RunningSettings::shown).unwrap_or_default()
    }

    /// Returns the end of the certificate in seconds since the Unix epoch; 0 without TLS.
    pub(crate) fn certificate_expiry(&self) -> i64 {
        self.0.metrics.certificate_expiry()
    }

    /// Returns the names of the parts that failed at the last reload.
    pub(crate) fn failed(&self) -> Arc<Vec<String>> {
        self.0.failed.load_full()
    }

    /// Registers the metrics of reloads.
    pub(crate) fn register_metrics(&self, registry: &mut Registry) {
        self.0.metrics.register(registry);
    }
}

impl Inner {
    async fn reload(&self) -> ReloadReport {
        let mut parts = Vec::new();
        if let Some(settings) = &self.settings {
            let applied: Vec<_> = self
                .parts
                .iter()
                .flat_map(|part| part.applies)
                .copied()
                .collect();
            parts = settings.reload(&applied).await;
            parts.iter().for_each(log);
            for part in &self.parts {
                let reloaded = part.reload(settings).await;
                log(&reloaded);
                parts.push(reloaded);
            }
        }
        let report = ReloadReport { parts };
        let failed = Vec::from_iter(report.failed().map(|reloaded| reloaded.part.clone()));
        match failed.is_empty() {
            true => self.metrics.succeeded(),
            false => self.metrics.failed(),
        }
        self.failed.store(Arc::new(failed));
        report
    }
}

impl Default for Reloader {
    fn default() -> Self {
        Self::of(None, Vec::new(), Gauge::default())
    }
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader")
            .field("parts", &self.0.parts)
            .finish_non_exhaustive()
    }
}

fn log(reloaded: &ReloadedPart) {
    let ReloadedPart {
        part,
        outcome,
        detail,
    } = reloaded;
    match outcome {
        ReloadOutcome::Unchanged => tracing::debug!(%part, detail, "unchanged"),
        ReloadOutcome::Changed => {
            tracing::info!(target: AUDIT_TARGET, %part, detail, "reloaded");
        }
        ReloadOutcome::Failed => {
            tracing::error!(%part, detail, "not reloaded, the former state goes on");
        }
        ReloadOutcome::NeedsRestart => tracing::warn!(%part, detail, "needs a restart"),
    }
}
