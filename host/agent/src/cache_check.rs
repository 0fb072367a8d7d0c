//! The check of this node's cache: asks it every two seconds, and reports to the registry whether it works.
//!
//! The registry withholds the labels of a cache that has failed, so every peer stops routing to it. The check never
//! changes a decision.

mod phase;

pub(crate) use self::phase::{Start, unchecked};

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use prometheus_client::metrics::counter::Counter;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use self::phase::{Advertised, Phases};
use crate::settings::CacheCheck;
use edge_cache_core::metrics;
use edge_cache_host::{CacheHealth, EdgeCacheRegistry};

/// The time between two checks.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// The longest time of a check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

metrics! {
    /// Metrics of the check. Clones share them.
    #[derive(Debug, Clone)]
    pub(crate) struct CheckMetrics {
        /// Checks of this node's cache that failed.
        failed: Counter = "cache_check_failures";
        /// Times that this node's labels were withdrawn because its cache failed.
        withdrawals: Counter = "cache_withdrawals";
        /// Times that labels were kept because the checks of most caches failed at once.
        kept: Counter = "cache_withdrawals_refused";
    }
}

/// The check of one cache, ready to run.
#[derive(Debug)]
pub(crate) struct Checker {
    start: Start,
    probe: Probe,
    registry: EdgeCacheRegistry,
    metrics: CheckMetrics,
}

/// A check with what it needs.
#[derive(Debug)]
enum Probe {
    Tcp(SocketAddr),
    Http(Client, Url),
}

impl Checker {
    /// Prepares the check of the cache at this address.
    pub(crate) fn new(
        check: &CacheCheck,
        address: Option<SocketAddr>,
        start: Start,
        registry: EdgeCacheRegistry,
        metrics: CheckMetrics,
    ) -> Result<Self> {
        let probe = match check {
            CacheCheck::Tcp => {
                Probe::Tcp(address.context("the check `tcp` needs `--cache-address`")?)
            }
            CacheCheck::Http(url) => {
                let client = Client::builder()
                    .no_proxy()
                    .redirect(Policy::none())
                    .pool_max_idle_per_host(0)
                    .timeout(CHECK_TIMEOUT)
                    .build()
                    .context("cannot set up the check of the cache")?;
                Probe::Http(client, url.clone())
            }
        };
        Ok(Self {
            start,
            probe,
            registry,
            metrics,
        })
    }

    /// Checks until the task is aborted.
    pub(crate) async fn run(self) {
        let mut phases = Phases::new(self.start, fastrand::f64);
        let mut ticks = interval(CHECK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    let found = self.probe.check().await;
                    self.metrics.failed.inc_by(found.is_err().into());
                    phases.observe(found, self.advertised(), Instant::now());
                }
                () = phases.due() => phases.decide(self.advertised(), Instant::now()),
            }
            self.report(&mut phases);
        }
    }

    fn report(&self, phases: &mut Phases) {
        let health = phases.health();
        if phases.take_withdrawal() {
            self.metrics.withdrawals.inc();
        }
        if phases.take_kept() {
            self.metrics.kept.inc();
            tracing::warn!(
                reason = health.reason(),
                "the checks of most caches fail at once; this node keeps its labels"
            );
        }
        let before = self.registry.cache_health();
        if before == health {
            return;
        }
        match (&before, &health) {
            (CacheHealth::Doubtful(_), CacheHealth::Doubtful(_))
            | (CacheHealth::Failed(_), CacheHealth::Failed(_)) => {}
            (_, CacheHealth::Healthy) => {
                tracing::info!("the cache of this node works; its labels are advertised")
            }
            (_, CacheHealth::Doubtful(reason)) => {
                tracing::warn!(reason, "the cache of this node fails")
            }
            (_, CacheHealth::Failed(reason)) => {
                tracing::warn!(
                    reason,
                    "the labels of this node are withdrawn: its cache has failed"
                );
            }
        }
        self.registry.report_cache_health(health);
    }

    /// Returns how many of the decided nodes are advertised, as far as that is known.
    fn advertised(&self) -> Advertised {
        let snapshot = self.registry.snapshot();
        let mut advertised = Advertised::default();
        for listed in snapshot.eligible() {
            advertised.decided = advertised.decided.saturating_add(1);
            let counts = usize::from(listed.advertised != Some(false));
            advertised.advertised = advertised.advertised.saturating_add(counts);
        }
        advertised
    }
}

impl Probe {
    /// Checks once. An error is the reason, in a few words.
    async fn check(&self) -> Result<(), Arc<str>> {
        let failed = |reason: &dyn fmt::Display| {
            Arc::from(format!("the check of its cache failed: {reason}"))
        };
        let late = || failed(&format!("no answer within {CHECK_TIMEOUT:?}"));
        match self {
            Self::Tcp(address) => match timeout(CHECK_TIMEOUT, TcpStream::connect(address)).await {
                Ok(connected) => connected.map(drop).map_err(|error| failed(&error)),
                Err(_) => Err(late()),
            },
            Self::Http(client, url) => match client.get(url.clone()).send().await {
                Ok(answer) if answer.status().is_success() => Ok(()),
                Ok(answer) => Err(failed(&answer.status())),
                Err(error) if error.is_timeout() => Err(late()),
                Err(error) => Err(failed(root_cause(&error))),
            },
        }
    }
}

/// Returns the innermost cause of an error: the outer ones name the URL, which is in the settings.
fn root_cause(error: &dyn Error) -> &dyn Error {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause
}
