//! The state that all handlers share.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use axum::extract::FromRef;
use tokio::sync::{Mutex, Semaphore, watch};

use super::about::About;
use super::bodies::BodyBudget;
use super::events::Events;
use super::limits::{SNAPSHOTS_MAX, WAITS_MAX};
use super::list::ListCache;
use crate::cache_check::CheckMetrics;
use crate::metrics::{ListenerMetrics, Metrics, TrafficMetrics};
use crate::plugin_manager::PluginManager;
use crate::shutdown::Shutdown;
use edge_cache_api::Health;
use edge_cache_host::gossip::GossipPool;
use edge_cache_host::{EdgeCacheRegistry, Traffic};

/// The state that all handlers share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AppState(Arc<Parts>);

/// The parts of the state.
#[derive(Debug)]
pub struct Parts {
    pub(super) registry: EdgeCacheRegistry,
    pub(super) gossip: Option<GossipPool>,
    pub(super) plugins: PluginManager,
    pub(super) stop: Shutdown,
    pub(super) about: About,
    /// The start, for people and as a time that no clock changes.
    pub(super) started: (SystemTime, Instant),
    pub(super) events: Events,
    /// The readiness as last observed, if it was.
    pub(super) health: watch::Sender<Option<Health>>,
    /// Held while all nodes are being replaced.
    pub(super) replacing: Mutex<()>,
    /// A permit for each request with `?wait=`.
    pub(super) waits: Semaphore,
    /// A permit for each snapshot that is taken or sent.
    pub(super) snapshots: Arc<Semaphore>,
    pub(super) bodies: BodyBudget,
    pub(super) list: ListCache,
    pub(super) metrics: Metrics,
}

impl AppState {
    /// Creates the state of an agent with this registry, with this membership if gossip is on, that ends on `stop`.
    /// Must be called on a runtime: it spawns a task that follows changes.
    #[must_use]
    pub fn new(
        registry: EdgeCacheRegistry,
        gossip: Option<GossipPool>,
        plugins: PluginManager,
        stop: Shutdown,
        about: About,
    ) -> Self {
        let metrics = Metrics::new(&registry, gossip.as_ref(), &about.reloader);
        let health = watch::Sender::default();
        let changes = health.subscribe();
        let events = Events::start(&registry, gossip.as_ref(), changes, stop.clone());
        Self(Arc::new(Parts {
            bodies: BodyBudget::new(plugins.bytes_max()),
            registry,
            gossip,
            plugins,
            stop,
            about,
            started: (SystemTime::now(), Instant::now()),
            events,
            health,
            replacing: Mutex::default(),
            waits: Semaphore::new(WAITS_MAX),
            snapshots: Arc::new(Semaphore::new(SNAPSHOTS_MAX)),
            list: ListCache::default(),
            metrics,
        }))
    }

    /// Returns the metrics of the listener with this name.
    #[must_use]
    pub fn listener_metrics(&self, listener: &'static str) -> ListenerMetrics {
        self.metrics.http.listener(listener)
    }

    /// Returns the reader of the traffic table.
    #[must_use]
    pub fn traffic(&self) -> Option<Traffic> {
        self.registry.traffic().cloned()
    }

    /// Returns the metrics of the check of the cache.
    #[must_use]
    pub(crate) fn check_metrics(&self) -> CheckMetrics {
        self.metrics.check.clone()
    }

    /// Returns the metrics of the traffic listener.
    #[must_use]
    pub(crate) fn traffic_metrics(&self) -> TrafficMetrics {
        self.metrics.traffic.clone()
    }
}

impl Deref for AppState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl FromRef<AppState> for BodyBudget {
    fn from_ref(state: &AppState) -> Self {
        state.bodies.clone()
    }
}
