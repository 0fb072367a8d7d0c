//! The reload of an agent: it reads its settings, keys, tokens, certificate, trust rules and plugin again while it runs.
//!
//! SIGHUP and the HTTP API ask the same [`Reloader`]. Settings that cannot be used are refused as a whole, and no part is
//! reloaded then. A part that cannot be used goes on in its former state. Two reloads take turns at each part by itself:
//! new tokens and keys do not wait for a plugin that an earlier reload still compiles.

mod error;
mod metrics;
mod part;
mod settings;

use std::fmt;
use std::io;
use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tracing::Instrument;

use self::metrics::ReloadMetrics;
use edge_cache_api::{ReloadOutcome, ReloadReport, ReloadedPart, Setting};
use edge_cache_host::AUDIT_TARGET;

pub(crate) use self::error::ReloadError;
pub(crate) use self::part::{Part, Reloaded};
pub(crate) use self::settings::RunningSettings;

/// The most reloads at once: one that reads, and those that wait for its plugin. Further ones wait to begin.
const RELOADS_MAX: usize = 4;

/// The reloader of an agent. Clones share it; the default has neither settings nor parts.
#[derive(Clone)]
pub struct Reloader(Arc<Inner>);

struct Inner {
    settings: RunningSettings,
    parts: Vec<Part>,
    metrics: ReloadMetrics,
    /// A permit for each reload that has begun.
    places: Arc<Semaphore>,
}

impl Reloader {
    /// Creates a reloader of these parts, in this order, after the settings. The gauge is the end of the certificate.
    pub(crate) fn new(
        settings: RunningSettings,
        parts: Vec<Part>,
        certificate_expiry: Gauge,
    ) -> Self {
        Self(Arc::new(Inner {
            settings,
            parts,
            metrics: ReloadMetrics::started_now(certificate_expiry),
            places: Arc::new(Semaphore::new(RELOADS_MAX)),
        }))
    }

    /// Reloads the settings, then each part, and logs what has changed, what failed and what needs a restart. A reload
    /// that has begun completes even if the caller goes away.
    ///
    /// # Errors
    ///
    /// Any [`ReloadError`].
    pub(crate) async fn reload(&self) -> Result<ReloadReport, ReloadError> {
        let reloaded = self.begin().await.await;
        reloaded.map_err(|error| ReloadError::System(io::Error::other(error)))?
    }

    /// Begins a reload, as soon as there is a place for it, and returns its task.
    pub(crate) async fn begin(&self) -> JoinHandle<Result<ReloadReport, ReloadError>> {
        let inner = self.0.clone();
        // Nothing closes the semaphore.
        let place = inner.places.clone().acquire_owned().await;
        let reload = async move {
            let _place = place;
            inner.reload_and_note().await
        };
        tokio::spawn(reload.in_current_span())
    }

    /// Returns the settings in effect, without secrets.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        self.0.settings.shown()
    }

    /// Returns the end of the certificate in seconds since the Unix epoch; 0 without TLS.
    pub(crate) fn certificate_expiry(&self) -> i64 {
        self.0.metrics.certificate_expiry()
    }

    /// Registers the metrics of reloads.
    pub(crate) fn register_metrics(&self, registry: &mut Registry) {
        self.0.metrics.register(registry);
    }
}

impl Inner {
    /// Reloads, and notes in the metrics whether that succeeded.
    async fn reload_and_note(&self) -> Result<ReloadReport, ReloadError> {
        let reloaded = self.reload().await;
        match &reloaded {
            Ok(report) if report.failed().next().is_none() => self.metrics.succeeded(),
            Ok(_) => self.metrics.failed(),
            Err(error) => {
                tracing::error!(%error, "nothing reloaded");
                self.metrics.failed();
            }
        }
        reloaded
    }

    async fn reload(&self) -> Result<ReloadReport, ReloadError> {
        let mut parts = self.settings.reload().await?;
        parts.iter().for_each(log);
        for part in &self.parts {
            let reloaded = part.reload().await;
            log(&reloaded);
            parts.push(reloaded);
        }
        Ok(ReloadReport { parts })
    }
}

impl Default for Reloader {
    fn default() -> Self {
        Self::new(RunningSettings::default(), Vec::new(), Gauge::default())
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
