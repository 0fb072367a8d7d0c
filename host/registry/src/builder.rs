//! How a registry is put together.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, oneshot, watch};

use crate::advertiser::Advertiser;
use crate::decisions::DecisionSync;
use crate::entries::{Entries, LabelledEntry};
use crate::error::StartError;
use crate::metrics::RegistryMetrics;
use crate::placement::Placement;
use crate::registry::{AbortOnDrop, EdgeCacheRegistry, Shared};
use crate::standalone::Standalone;
use crate::status::{PluginState, Status};
use crate::store::{Remembered, Store};
use crate::view::View;
use crate::writer::queue::{LOOK_FOR, queue};
use crate::writer::{Durable, Parts, Writer};
use edge_cache_core::decision::{EffectiveDecision, EffectiveDecisions};
use edge_cache_core::labels::{self, Labels};
use edge_cache_core::{Entry, NodeId};
use edge_cache_gossip::{GossipPool, PeerInfo};
use edge_cache_sandbox::{GuestLog, InstanceConfig, LabelPolicy, Plugin, WallClock};

/// Puts a registry together; see [`EdgeCacheRegistry::builder`].
#[derive(Debug)]
pub struct Builder {
    plugin: Plugin,
    place: Place,
    store: Option<Store>,
    clock: WallClock,
}

#[derive(Debug)]
enum Place {
    Nowhere,
    Standalone(PeerInfo),
    Gossip(GossipPool),
}

impl EdgeCacheRegistry {
    /// A registry that runs `plugin`: on its own and in memory, unless the builder is told otherwise.
    pub fn builder(plugin: Plugin) -> Builder {
        Builder::new(plugin)
    }
}

impl Builder {
    fn new(plugin: Plugin) -> Self {
        Self {
            plugin,
            place: Place::Nowhere,
            store: None,
            clock: WallClock::default(),
        }
    }

    /// Takes the time from another clock than the system's, the component's included. For tests.
    #[must_use]
    pub fn clock(mut self, clock: WallClock) -> Self {
        self.clock = clock;
        self
    }

    /// Makes `info` the node's own record: the component's labels join those in it, and travel nowhere.
    #[must_use]
    pub fn standalone(mut self, info: PeerInfo) -> Self {
        self.place = Place::Standalone(info);
        self
    }

    /// Shows the component's labels to the cluster, as a part of the pool's own info.
    #[must_use]
    pub fn gossip(mut self, pool: GossipPool) -> Self {
        self.place = Place::Gossip(pool);
        self
    }

    /// Makes every change durable before it is answered, and begins with what the store holds.
    #[must_use]
    pub fn store(mut self, store: Store) -> Self {
        self.store = Some(store);
        self
    }

    /// Starts the component. A component that fails at once is tried again as after any other failure, so
    /// the registry is there all the same and its status says why it takes no changes.
    ///
    /// # Errors
    ///
    /// Any [`StartError`].
    pub async fn start(self) -> Result<EdgeCacheRegistry, StartError> {
        let Self {
            plugin,
            place,
            store,
            clock,
        } = self;
        let limits = &plugin.config().limits;
        let mut pool = None;
        let advertiser: Arc<dyn Advertiser> = match place {
            Place::Nowhere => Arc::new(Standalone::new(None)),
            Place::Standalone(info) => Arc::new(Standalone::new(Some(info))),
            Place::Gossip(gossip) => {
                pool = Some(gossip.clone());
                Arc::new(gossip)
            }
        };
        labels::check_foreign(&advertiser.foreign_labels(), limits.labels)
            .map_err(StartError::Labels)?;

        let log = Arc::new(GuestLog::new(limits));
        let remembered = match &store {
            Some(store) => remember(store, advertiser.node_id())?,
            None => Remembered::default(),
        };
        // Peers see the labels of before until the component has said what holds now.
        advertiser.announce(remembered.own_labels.clone());
        let view = Arc::new(ArcSwap::from_pointee(View {
            entries: label_own_entry(
                remembered.entries,
                advertiser.node_id(),
                &remembered.own_labels,
            ),
            decisions: decisions(remembered.decisions),
            status: Status {
                state: PluginState::Starting,
                restarts: 0,
                last_failure: None,
                store_failure: None,
            },
        }));
        let look_for = if store.is_some() {
            Duration::ZERO
        } else {
            LOOK_FOR
        };
        let metrics = Arc::new(RegistryMetrics::default());
        let (room, wait) = (limits.queue, limits.queue_wait);
        let (queue, requests) = queue(room, wait, look_for, metrics.clone());
        let (ending, ended) = watch::channel(());
        let (changing, changed) = watch::channel(());
        let (started, start) = oneshot::channel();

        let config = InstanceConfig {
            policy: LabelPolicy {
                node: advertiser.node_id(),
                grants: plugin.config().labels.clone(),
                foreign: {
                    let advertiser = advertiser.clone();
                    Arc::new(move || advertiser.foreign_labels())
                },
                closed: Arc::default(),
            },
            log: log.clone(),
            clock: clock.clone(),
        };
        // Whatever it publishes when it is loaded with nothing goes nowhere.
        let judging = InstanceConfig {
            policy: LabelPolicy {
                node: None,
                foreign: Arc::new(Arc::default),
                ..config.policy.clone()
            },
            ..config.clone()
        };
        let shown = Arc::new(ArcSwap::from_pointee(plugin.clone()));
        let replaced = Arc::new(Notify::new());
        let around = config.clone();
        let decided = Arc::new(Notify::new());
        let parts = Parts {
            plugin: plugin.clone(),
            shown: shown.clone(),
            config,
            advertiser: advertiser.clone(),
            view: view.clone(),
            metrics: metrics.clone(),
            durable: Durable::new(store, metrics.clone()),
            own_labels: remembered.own_labels,
            decided: decided.clone(),
            replaced: replaced.clone(),
            changed: changing,
        };
        thread::Builder::new()
            .name("edge-writer".into())
            .spawn(move || {
                let _ending = ending;
                let writer = Writer::start(parts);
                // Nobody waits any more where the caller gave up; the queue's end stops the writer then.
                let _ = started.send(());
                writer.run(&requests);
            })
            .map_err(StartError::Thread)?;
        start.await.map_err(|_| StartError::Ended)?;

        let placement = advertiser
            .node_id()
            .map(|_| Placement::start(shown.clone(), judging, &metrics, advertiser.clone()))
            .transpose()
            .map_err(StartError::Thread)?;
        let (placement, wake) = placement.unzip();
        let follower = wake.map(|wake| {
            let advertiser = advertiser.clone();
            let follower = tokio::spawn(async move {
                let swaps = async {
                    loop {
                        replaced.notified().await;
                        wake.wake();
                    }
                };
                let changed = || wake.wake();
                tokio::join!(advertiser.follow(&changed), swaps);
            });
            AbortOnDrop(follower.abort_handle())
        });
        let sync = pool.map(|pool| {
            let sync = DecisionSync {
                pool,
                view: view.clone(),
                queue: queue.clone(),
                clock,
                decided,
            };
            AbortOnDrop(tokio::spawn(sync.run()).abort_handle())
        });
        Ok(EdgeCacheRegistry {
            shared: Arc::new(Shared {
                _sync: sync,
                _follower: follower,
                placement,
                view,
                queue,
                advertiser,
                plugin: shown,
                config: around,
                log,
                metrics,
                changed,
                ended,
            }),
        })
    }
}

fn remember(store: &Store, own: Option<NodeId>) -> Result<Remembered, StartError> {
    if store.identity().node_id != own {
        return Err(StartError::OtherNode {
            store: store.identity().node_id,
            registry: own,
        });
    }
    store.take_remembered().ok_or(StartError::StoreUsed)
}

fn decisions(remembered: Vec<EffectiveDecision>) -> EffectiveDecisions {
    let by_node = |effective: EffectiveDecision| (effective.decision.node_id, Arc::new(effective));
    remembered.into_iter().map(by_node).collect()
}

/// The remembered entries, with the labels that are shown before the component has been asked.
fn label_own_entry(entries: Vec<Entry>, own: Option<NodeId>, own_labels: &Labels) -> Entries {
    let labelled = |entry: Entry| {
        let node_id = entry.node.node_id;
        let labels = if own == Some(node_id) {
            own_labels.clone()
        } else {
            Labels::new()
        };
        LabelledEntry { entry, labels }
    };
    entries.into_iter().map(labelled).collect()
}
