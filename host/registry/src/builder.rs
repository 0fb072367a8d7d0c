//! Building and starting a registry.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use imbl::OrdMap;
use tokio::sync::{Notify, oneshot, watch};

use crate::advertiser::{Advertiser, Standalone};
use crate::decisions::DecisionSync;
use crate::error::StartError;
use crate::gate::{CacheHealth, Gate};
use crate::metrics::RegistryMetrics;
use crate::placement::Placement;
use crate::registry::{AbortOnDrop, EdgeCacheRegistry, Handle};
use crate::state::RegistryState;
use crate::store::{Remembered, Store};
use crate::traffic::TrafficConfig;
use crate::view::{Status, View};
use crate::writer::Writer;
use crate::writer::queue::{Requests, SPIN_TIME, queue};
use edge_cache_core::labels::{self, Labels};
use edge_cache_core::{NodeId, PluginState};
use edge_cache_gossip::{GossipPool, PeerInfo};
use edge_cache_sandbox::{GuestLog, InstanceConfig, LabelPolicy, Plugin, WallClock};

/// Configures and starts a registry; see [`EdgeCacheRegistry::builder`].
#[derive(Debug)]
pub struct Builder {
    plugin: Plugin,
    advertiser: Arc<dyn Advertiser>,
    /// The pool that decisions travel by.
    pool: Option<GossipPool>,
    store: Option<Store>,
    clock: WallClock,
    traffic: TrafficConfig,
    cache_health: CacheHealth,
}

impl EdgeCacheRegistry {
    /// Returns a builder for a registry that runs `plugin`. By default the registry has no node and no store.
    pub fn builder(plugin: Plugin) -> Builder {
        Builder {
            plugin,
            advertiser: Arc::new(Standalone::new(None)),
            pool: None,
            store: None,
            clock: WallClock::default(),
            traffic: TrafficConfig::default(),
            cache_health: CacheHealth::Healthy,
        }
    }
}

impl Builder {
    /// Uses another clock than the system's, for the plugin too. For tests.
    #[must_use]
    pub fn clock(mut self, clock: WallClock) -> Self {
        self.clock = clock;
        self
    }

    /// Gives the registry a node without a cluster. The plugin's labels join those in `info` and are not sent.
    #[must_use]
    pub fn standalone(self, info: PeerInfo) -> Self {
        self.advertiser(Standalone::new(Some(info)))
    }

    /// Joins the registry to a cluster. The pool announces the plugin's labels as a part of its own info, and carries
    /// the decisions.
    #[must_use]
    pub fn gossip(self, pool: GossipPool) -> Self {
        Self {
            pool: Some(pool.clone()),
            ..self.advertiser(pool)
        }
    }

    /// Joins the registry to a cluster with gossip of another kind, which carries the labels and no decisions: see
    /// [`Advertiser`].
    #[must_use]
    pub fn advertiser(mut self, advertiser: impl Advertiser + 'static) -> Self {
        self.advertiser = Arc::new(advertiser);
        self.pool = None;
        self
    }

    /// Keeps the state in a store: the registry starts with its content and makes every change durable before it
    /// replies.
    #[must_use]
    pub fn store(mut self, store: Store) -> Self {
        self.store = Some(store);
        self
    }

    /// Sets how the addresses of caches are read, and when the traffic table is held.
    #[must_use]
    pub fn traffic(mut self, traffic: TrafficConfig) -> Self {
        self.traffic = traffic;
        self
    }

    /// Starts with this state of the own node's cache, until another one is reported. By default the cache works.
    #[must_use]
    pub fn cache_health(mut self, health: CacheHealth) -> Self {
        self.cache_health = health;
        self
    }

    /// Starts the registry and the plugin.
    ///
    /// A plugin that fails here is retried as after any other failure: the registry runs, refuses changes, and
    /// [`EdgeCacheRegistry::status`] gives the reason.
    ///
    /// # Errors
    ///
    /// Any [`StartError`]; nothing runs then.
    pub async fn start(self) -> Result<EdgeCacheRegistry, StartError> {
        let limits = self.plugin.config().limits.clone();
        let advertiser = self.advertiser;
        labels::check_foreign(&advertiser.foreign_labels(), limits.labels)
            .map_err(StartError::Labels)?;
        let own = advertiser.node_id();
        let remembered = match &self.store {
            Some(store) => take_remembered(store, own)?,
            None => Remembered::default(),
        };
        let own_labels = remembered.own_labels.clone();
        let config = instance_config(&self.plugin, &advertiser, self.clock);
        let metrics: Arc<RegistryMetrics> = Arc::default();
        let ignored = u64::try_from(remembered.out_of_bounds).unwrap_or(u64::MAX);
        metrics.store_values_ignored.inc_by(ignored);
        let loaded = Mutex::new(remembered.loaded.clone());
        let view = first_view(remembered);
        advertiser.set_policy(self.plugin.policy());
        // Peers see the remembered labels until the plugin has published.
        let gate = Gate::new(advertiser.clone(), self.cache_health);
        gate.announce(own_labels.clone(), view.agent_info(own));
        let state = Arc::new(RegistryState {
            view: Arc::new(ArcSwap::from_pointee(view)),
            plugin: ArcSwap::from_pointee(self.plugin),
            config,
            advertiser,
            gate,
            metrics,
            loaded,
            has_joined: AtomicBool::default(),
            lacks_room: AtomicBool::default(),
            addresses: ArcSwap::default(),
            decisions_changed: Notify::new(),
            plugin_changed: Notify::new(),
        });
        let spin_time = if self.store.is_some() {
            Duration::ZERO
        } else {
            SPIN_TIME
        };
        let metrics = state.metrics.clone();
        let (queue, requests) = queue(limits.queue, limits.queue_wait, spin_time, metrics);
        let (entries_changed, ended) =
            start_writer(state.clone(), self.store, own_labels, requests).await?;
        let (placement, follower) = start_placement(&state, self.traffic)?.unzip();
        let sync = self.pool.map(|pool| {
            let sync = DecisionSync {
                pool,
                state: state.clone(),
                queue: queue.clone(),
                beaten: Mutex::default(),
                entries_changed: entries_changed.clone(),
            };
            sync.start()
        });
        let handle = Handle {
            sync: sync.map(AbortOnDrop),
            follower,
            placement,
            state,
            queue,
            entries_changed,
            ended,
        };
        Ok(EdgeCacheRegistry {
            shared: Arc::new(handle),
        })
    }
}

/// Takes the content of a store that belongs to the own node.
fn take_remembered(store: &Store, own: Option<NodeId>) -> Result<Remembered, StartError> {
    if store.identity().node_id != own {
        return Err(StartError::OtherNode {
            store: store.identity().node_id,
            registry: own,
        });
    }
    store.take_remembered().ok_or(StartError::StoreUsed)
}

fn instance_config(
    plugin: &Plugin,
    advertiser: &Arc<dyn Advertiser>,
    clock: WallClock,
) -> InstanceConfig {
    let (foreign, available) = (advertiser.clone(), advertiser.clone());
    InstanceConfig {
        policy: LabelPolicy {
            node: advertiser.node_id(),
            grants: plugin.config().labels.clone(),
            foreign: Arc::new(move || foreign.foreign_labels()),
            available: Arc::new(move || available.accepts_labels()),
        },
        log: Arc::new(GuestLog::new(&plugin.config().limits)),
        clock,
    }
}

fn first_view(remembered: Remembered) -> View {
    View {
        entries: remembered.entries.into_values().collect(),
        decisions: remembered.decisions.into_values().collect(),
        overruled: OrdMap::new(),
        sources: remembered.sources.into_iter().collect(),
        status: Status {
            state: PluginState::Starting,
            restarts: 0,
            last_failure: None,
            store_failure: None,
        },
    }
}

/// Starts the writer's thread and waits until its first instance has started or failed.
///
/// Returns the receivers that tell of new views and of the thread's end.
async fn start_writer(
    state: Arc<RegistryState>,
    store: Option<Store>,
    own_labels: Labels,
    requests: Requests,
) -> Result<(watch::Receiver<()>, watch::Receiver<()>), StartError> {
    let (changed_sender, entries_changed) = watch::channel(());
    let (ended_sender, ended) = watch::channel(());
    let (started_sender, started) = oneshot::channel();
    thread::Builder::new()
        .name("edge-writer".into())
        .spawn(move || {
            let _ended = ended_sender;
            let writer = Writer::start(state, store, own_labels, changed_sender);
            // If the caller gave up, the end of the queue stops the writer.
            let _ = started_sender.send(());
            writer.run(&requests);
        })
        .map_err(StartError::Thread)?;
    started.await.map_err(|_| StartError::Ended)?;
    Ok((entries_changed, ended))
}

/// Starts placement for a registry that has a node, and the task that follows labels and swaps.
fn start_placement(
    state: &Arc<RegistryState>,
    traffic: TrafficConfig,
) -> Result<Option<(Placement, AbortOnDrop)>, StartError> {
    if state.node_id().is_none() {
        return Ok(None);
    }
    let (placement, wake) = Placement::start(state.clone(), traffic).map_err(StartError::Thread)?;
    let state = state.clone();
    let follower = tokio::spawn(async move {
        let changed = || wake.wake();
        let labels = state.advertiser.follow(&changed);
        let swaps = async {
            loop {
                state.plugin_changed.notified().await;
                wake.wake();
            }
        };
        tokio::join!(labels, swaps);
    });
    Ok(Some((placement, AbortOnDrop(follower.abort_handle()))))
}
