//! Serving until the shutdown, and the shutdown within its timeout.
//!
//! First the agent reports that it is not ready, so that it gets no new traffic. Then the writer finishes the waiting
//! changes, because acknowledged changes must reach the peers with the leave message. Then gossip leaves, so that peers
//! route elsewhere while the last requests are answered.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use anyhow::{Context, Result, bail};

use super::agent::Agent;
use super::api::Api;
use crate::cache_check::Checker;
use crate::http::{About, AppState};
use crate::log::AuditFile;
use crate::reload::Reloader;
use crate::settings::AgentSettings;
use crate::shutdown::{Shutdown, ShutdownMode};
use crate::systemd::{Notification, Systemd};
use edge_cache_api::AgentAddresses;
use edge_cache_host::CacheAddress;
use edge_cache_host::gossip::GossipPool;

/// Serves until a shutdown is requested, then shuts down.
pub(super) async fn serve(
    agent: Agent,
    settings: &AgentSettings,
    shutdown: Shutdown,
    systemd: Systemd,
) -> Result<()> {
    let Agent {
        // Open until the last request is answered.
        audit,
        api,
        registry,
        gossip,
        store,
        start,
        plugins,
        reloader,
    } = agent;
    let about = About {
        audit: audit.as_ref().map(AuditFile::file),
        store,
        ..about(settings, &api, gossip.as_ref(), reloader)?
    };
    let state = AppState::new(
        registry.clone(),
        gossip.clone(),
        plugins,
        shutdown.clone(),
        about,
    );
    if let Some(check) = &settings.traffic.cache_check {
        let address = settings.traffic.cache_address.map(CacheAddress::socket);
        let metrics = state.check_metrics();
        let checker = Checker::new(check, address, start, registry.clone(), metrics)?;
        shutdown.spawn("the check of the cache", checker.run());
    }
    let drain = Arc::new(Notify::new());
    let draining = drain.clone();
    let mut serving = tokio::spawn(api.serve(state.clone(), async move {
        draining.notified().await;
    }));
    systemd.send(Notification::Ready);
    systemd.watch(state.clone(), &shutdown);
    let mut served = None;
    tokio::select! {
        () = shutdown.clone().wait() => {}
        // Nobody could ask this agent anything, not even for its health.
        ended = &mut serving => {
            tracing::error!("the HTTP server has ended; the agent stops");
            shutdown.request(ShutdownMode::Stop);
            served = Some(ended);
        }
    }

    let mut steps = ShutdownSteps::begin(settings.shutdown_timeout);
    systemd.send(Notification::Stopping);
    // A plugin that hangs must leave time to notify the peers.
    let half = steps.half;
    let writer = registry.shutdown();
    steps.run("writer", half, writer).await;
    let deadline = steps.deadline;
    if let Some(gossip) = &gossip {
        let leave = async {
            if settings.leave_on_terminate || shutdown.requested() == Some(ShutdownMode::Leave) {
                gossip.leave().await;
            } else {
                gossip.shutdown().await;
            }
        };
        steps.run("gossip", deadline, leave).await;
    }
    drain.notify_one();
    if served.is_none() {
        served = steps.run("requests", deadline, &mut serving).await;
    }
    match served {
        Some(served) => served.context("cannot serve HTTP")?,
        None => serving.abort(),
    }
    steps.finish()
}

fn about(
    settings: &AgentSettings,
    api: &Api,
    gossip: Option<&GossipPool>,
    reloader: Reloader,
) -> Result<About> {
    let bound = api.addresses().context("cannot read the HTTP address")?;
    let advertised = settings.http.http_advertise.as_ref();
    Ok(About {
        cluster_id: settings.cluster_id.clone(),
        addresses: AgentAddresses {
            api: Some(bound.api),
            api_advertised: advertised.map(ToString::to_string),
            health: bound.health,
            traffic: bound.traffic,
            gossip: gossip.map(GossipPool::listen_addr),
            gossip_advertised: gossip.map(GossipPool::advertise_addr),
            cache: settings.traffic.cache_address.map(CacheAddress::socket),
        },
        data_dir: settings.data_dir.clone(),
        reloader,
        audit: None,
        store: None,
    })
}

/// The steps of a shutdown, which share a timeout.
struct ShutdownSteps {
    bound: Duration,
    /// The end of the first half of the timeout.
    half: Instant,
    deadline: Instant,
    aborted: Vec<&'static str>,
}

impl ShutdownSteps {
    fn begin(bound: Duration) -> Self {
        let now = Instant::now();
        Self {
            bound,
            half: bound
                .checked_div(2)
                .and_then(|half| now.checked_add(half))
                .unwrap_or(now),
            deadline: now.checked_add(bound).unwrap_or(now),
            aborted: Vec::new(),
        }
    }

    /// Runs a step until a deadline. A step that needs no waiting completes even after it.
    async fn run<T>(
        &mut self,
        part: &'static str,
        deadline: Instant,
        step: impl Future<Output = T>,
    ) -> Option<T> {
        match timeout_at(deadline, step).await {
            Ok(done) => Some(done),
            Err(_) => {
                let timeout = humantime::format_duration(self.bound);
                tracing::warn!(part, %timeout, "aborted at shutdown");
                self.aborted.push(part);
                None
            }
        }
    }

    fn finish(self) -> Result<()> {
        if self.aborted.is_empty() {
            tracing::info!("stopped");
            return Ok(());
        }
        bail!(
            "aborted after the shutdown timeout of {}: {}",
            humantime::format_duration(self.bound),
            self.aborted.join(", ")
        )
    }
}
