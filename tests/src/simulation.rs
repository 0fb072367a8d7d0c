//! Scripted clusters in virtual time: the gossip and the registry of whole agents on a network in memory.
//!
//! A [`Cluster`] plays [`Step`]s and prints each with its time, so that the output of a test that fails
//! reads as a story. Every member is watched from its first moment on: who was said to have left, and
//! whether an old record ever came back.
//!
//! Tests run on tokio's paused clock: whenever nothing is left to do, time goes on to the next timer.
//! Registries work on threads of their own, which that clock does not see; [`holding_time`] lets it stand
//! still while one is waited for, and a cluster lets time pass in small steps, each of which ends when
//! all registries have done what they were asked for. chitchat's own dice cannot be seeded: a seed repeats
//! a script and its weather, not every datagram.

mod checks;
mod memory;
mod step;
mod witness;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use edge_cache_host::gossip::{
    GossipConfig, GossipPool, Network, PeerInfo, PushBudget, SimulatedNetwork,
};
use edge_cache_host::labels::Labels;
use edge_cache_host::sandbox::Plugin;
use edge_cache_host::{EdgeCacheRegistry, EdgeCacheStats, Identity, NodeCapacity, NodeId, Store};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::memory::Memory;
pub use self::step::Step;
pub use self::witness::Departure;
use self::witness::{Witness, follow};

/// Name of every simulated cluster.
const CLUSTER: &str = "simulation";
/// The label of other software: which life of the node speaks.
const LIFE: &str = "life";
/// Maximum time that an agent is given to hear of the others.
const JOINED_WITHIN: Duration = Duration::from_secs(15);
/// Interval between two checks of a condition, in virtual time.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// A wait in which nobody looks at anything, and the steps of it.
const LONG: Duration = Duration::from_secs(600);
const LONG_STEP: Duration = Duration::from_secs(1);
/// Step of virtual time without regard to registries.
const SETTLE_EVERY: Duration = Duration::from_millis(100);
/// A node that is never registered.
const NOBODY: NodeId = NodeId::MAX;
/// The longest that one wait may take in real time. Virtual time may pass slowly, but never for this long.
const REAL_MAX: Duration = Duration::from_secs(300);

/// Settings that the agents of a cluster share.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Decides about the weather.
    pub seed: u64,
    /// Nodes that everybody asks first.
    pub seeds: Vec<NodeId>,
    /// Nodes whose addresses everybody remembers from the start.
    pub remembered: Vec<NodeId>,
    /// Time for which dead members are remembered; `None` for the pool's default.
    pub dead_node_grace_period: Option<Duration>,
    /// Budget for pushing changes.
    pub push: PushBudget,
    /// Agents keep everything in a store on disk, as `--data-dir` makes them.
    pub durable: bool,
    /// The plugin of all agents; `None` for the reference.
    pub plugin: Option<Plugin>,
    /// Other plugins of single agents.
    pub plugins: BTreeMap<NodeId, Plugin>,
}

/// Agents on one simulated network.
#[derive(Debug)]
pub struct Cluster {
    settings: Settings,
    network: SimulatedNetwork,
    nodes: BTreeMap<NodeId, Node>,
    witness: Arc<Witness>,
    /// Time at which all registries were idle.
    settled: Cell<Instant>,
}

#[derive(Debug, Default)]
struct Node {
    memory: Arc<Memory>,
    disk: Option<TempDir>,
    lives: u32,
    /// Number of times it was enabled, over all lives; encoded in the capacity.
    enabled: u32,
    agent: Option<Agent>,
}

/// A node that runs.
#[derive(Debug)]
struct Agent {
    pool: GossipPool,
    registry: EdgeCacheRegistry,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            seeds: vec![1, 2, 3],
            remembered: Vec::new(),
            dead_node_grace_period: None,
            push: PushBudget::default(),
            durable: false,
            plugin: None,
            plugins: BTreeMap::new(),
        }
    }
}

impl Cluster {
    /// A network without agents.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            network: SimulatedNetwork::new(settings.seed),
            settings,
            nodes: BTreeMap::new(),
            witness: Arc::new(Witness {
                start: Instant::now(),
                seen: Mutex::default(),
            }),
            settled: Cell::new(Instant::now()),
        }
    }

    /// Starts nodes, spread over one interval, because real agents do not all start at one moment.
    ///
    /// # Errors
    ///
    /// The first error of a start.
    pub async fn start(&mut self, node_ids: impl ExactSizeIterator<Item = NodeId>) -> Result<()> {
        let pause = Duration::from_secs(1).div_f64(node_ids.len().max(1) as f64);
        for node_id in node_ids {
            self.play(Step::Start(node_id)).await?;
            self.pass(pause).await;
        }
        Ok(())
    }

    /// Lets something happen.
    ///
    /// # Errors
    ///
    /// The error that the agent answered, or a step that is not possible now.
    pub async fn play(&mut self, step: Step) -> Result<()> {
        self.witness.tell(&step);
        let failed = format!("{step} failed");
        self.happen(step).await.context(failed)
    }

    async fn happen(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Start(node_id) => return self.start_one(node_id).await,
            Step::StartAnew(node_id) => {
                let node = self.node(node_id);
                node.disk = None;
                node.memory = Arc::new(Memory {
                    clock: node.memory.clock.clone(),
                    ..Memory::default()
                });
                return self.start_one(node_id).await;
            }
            Step::Crash(node_id) => {
                let Agent { pool, registry } = self.take(node_id)?;
                pool.shutdown().await;
                // The thread of the registry owns the store; its queue is empty.
                holding_time("the end of a registry", registry.shutdown()).await;
            }
            Step::Leave(node_id) => {
                let Agent { pool, registry } = self.take(node_id)?;
                holding_time("the end of a registry", registry.shutdown()).await;
                pool.leave().await;
            }
            Step::Enable(node_id) => self.enable(node_id, node_id).await?,
            Step::EnableAt(at, node_id) => self.enable(at, node_id).await?,
            Step::Disable(node_id) => self.disable(node_id, node_id).await?,
            Step::DisableAt(at, node_id) => self.disable(at, node_id).await?,
            Step::ClockBack(node_id, by) => {
                let by = i64::try_from(by.as_millis())?;
                let clock = &self.node(node_id).memory.clock;
                clock.off_ms.fetch_sub(by, Ordering::Relaxed);
            }
            Step::ClockAhead(node_id, by) => {
                let by = i64::try_from(by.as_millis())?;
                let clock = &self.node(node_id).memory.clock;
                clock.off_ms.fetch_add(by, Ordering::Relaxed);
            }
            Step::Partition(groups) => {
                let groups: Vec<Vec<_>> = groups
                    .iter()
                    .map(|group| group.iter().copied().map(address).collect())
                    .collect();
                self.network.partition(&groups);
            }
            Step::Cut(one, other) => self.network.cut(address(one), address(other)),
            Step::Heal => self.network.heal(),
            Step::Lose(percent) => self.network.lose(f64::from(percent) / 100.0),
            Step::Delay(millis) => {
                let (from, to) = millis.into_inner();
                self.network
                    .delay(Duration::from_millis(from)..=Duration::from_millis(to));
            }
            Step::Wait(duration) => self.pass(duration).await,
        }
        Ok(())
    }

    async fn enable(&mut self, at: NodeId, node_id: NodeId) -> Result<()> {
        let node = self.node(node_id);
        node.enabled += 1;
        let capacity = NodeCapacity {
            cpu_cores: node.enabled,
            ram_mib: node_id,
            disk_mib: 1,
            geo: None,
        };
        self.joined(at).await?;
        holding_time("enable", self.registry(at)?.enable(node_id, capacity)).await?;
        Ok(())
    }

    async fn disable(&mut self, at: NodeId, node_id: NodeId) -> Result<()> {
        self.joined(at).await?;
        holding_time("disable", self.registry(at)?.disable(node_id)).await?;
        Ok(())
    }

    /// Waits until an agent has merged the decisions that it heard while it joined, or its seeds have not answered
    /// for long.
    async fn joined(&self, at: NodeId) -> Result<()> {
        let (registry, pool) = (self.registry(at)?, self.pool(at)?);
        self.until("the right to decide", JOINED_WITHIN, || {
            if registry.may_decide() {
                Ok(())
            } else {
                Err((pool.join_state(), pool.pending_decisions()))
            }
        })
        .await;
        Ok(())
    }

    /// Lets time pass.
    async fn pass(&self, duration: Duration) {
        let end = Instant::now() + duration;
        let step = if duration < LONG {
            LOOK_EVERY
        } else {
            LONG_STEP
        };
        while Instant::now() < end {
            tokio::time::sleep_until(end.min(Instant::now() + step)).await;
            self.settle().await;
        }
    }

    /// Lets time stand still until all registries have done what they were asked for before.
    async fn settle(&self) {
        if self.settled.get().elapsed() < SETTLE_EVERY {
            return;
        }
        let settled = async {
            let mut answers = JoinSet::new();
            for (_, agent) in self.agents() {
                let registry = agent.registry.clone();
                // Changes nothing, and is answered after all that was asked before.
                answers.spawn(async move {
                    let answer = registry.add_stats(NOBODY, EdgeCacheStats::default());
                    answer.await.map(drop)
                });
            }
            answers.join_all().await
        };
        holding_time("an answer of all registries", settled).await;
        self.settled.set(Instant::now());
    }

    async fn start_one(&mut self, node_id: NodeId) -> Result<()> {
        let settings = self.settings.clone();
        let network = self.network.clone();
        let node = self.node(node_id);
        ensure!(node.agent.is_none(), "it runs already");
        node.lives += 1;
        let info = PeerInfo {
            labels: Labels::from([(LIFE.to_string(), node.lives.to_string())]),
            ..PeerInfo::placeholder(node_id)
        };
        node.memory.know(node_id, &settings.remembered);
        let mut config = GossipConfig::new(info, CLUSTER, address(node_id));
        config.network = Network::Simulated(network);
        config.push = settings.push;
        config.memory = node.memory.clone();
        config.seeds = settings
            .seeds
            .iter()
            .filter(|seed| **seed != node_id)
            .map(|seed| address(*seed).to_string())
            .collect();
        if let Some(grace) = settings.dead_node_grace_period {
            config.dead_node_grace_period = grace;
        }
        let own = settings.plugins.get(&node_id).or(settings.plugin.as_ref());
        let plugin = own
            .cloned()
            .map_or_else(crate::component::patient_reference_plugin, Ok)?;
        config.policy = Some(plugin.policy());
        let mut builder = EdgeCacheRegistry::builder(plugin).clock(node.memory.clock.wall_clock());
        if settings.durable {
            let store = open_store(&mut node.disk, node_id)?;
            config.labels = store.own_labels();
            config.memory = Arc::new(store.clone());
            builder = builder.store(store);
        }
        let pool = GossipPool::start(config).await?;
        let events = pool.subscribe();
        let registry = builder.gossip(pool.clone()).start();
        let registry = holding_time("the start of a registry", registry).await?;
        node.agent = Some(Agent { pool, registry });
        self.witness.seen().running.insert(node_id);
        tokio::spawn(follow(self.witness.clone(), node_id, events));
        Ok(())
    }

    fn node(&mut self, node_id: NodeId) -> &mut Node {
        self.nodes.entry(node_id).or_default()
    }

    fn take(&mut self, node_id: NodeId) -> Result<Agent> {
        let agent = self.node(node_id).agent.take();
        self.witness.seen().running.remove(&node_id);
        agent.context("it does not run")
    }

    /// The nodes that run, ascending.
    #[must_use]
    pub fn running(&self) -> Vec<NodeId> {
        self.agents().map(|(node_id, _)| node_id).collect()
    }

    /// The pool of a node.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn pool(&self, node_id: NodeId) -> Result<&GossipPool> {
        let agent = self.nodes.get(&node_id).and_then(|n| n.agent.as_ref());
        Ok(&agent.context("it does not run")?.pool)
    }

    /// The registry of a node.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn registry(&self, node_id: NodeId) -> Result<&EdgeCacheRegistry> {
        let agent = self.nodes.get(&node_id).and_then(|n| n.agent.as_ref());
        Ok(&agent.context("it does not run")?.registry)
    }

    /// Returns `true` if a running node has registered itself.
    #[must_use]
    pub fn is_enabled(&self, node_id: NodeId) -> bool {
        let agent = self.nodes.get(&node_id).and_then(|n| n.agent.as_ref());
        agent.is_some_and(|agent| agent.registry.is_enabled(node_id))
    }

    fn agents(&self) -> impl Iterator<Item = (NodeId, &Agent)> {
        self.nodes
            .iter()
            .filter_map(|(node_id, node)| Some((*node_id, node.agent.as_ref()?)))
    }
}

/// Lets virtual time stand still while something is waited for that happens in real time.
///
/// The paused clock does not run while a blocking task does; this one ends with the wait, and is its
/// deadline as well.
///
/// # Panics
///
/// Where it takes longer than five minutes.
#[allow(
    clippy::panic,
    reason = "what does not come is the failure of the test"
)]
pub async fn holding_time<F: Future>(what: &str, future: F) -> F::Output {
    let (_done, wait) = mpsc::channel::<()>();
    let held = tokio::task::spawn_blocking(move || {
        // Disconnected when the wait is over.
        let _ = wait.recv_timeout(REAL_MAX);
    });
    tokio::select! {
        biased;
        output = future => output,
        _ = held => panic!("{what} did not come within {REAL_MAX:?} of real time"),
    }
}

/// Returns the address of a node, in all its lives.
#[must_use]
pub fn address(node_id: NodeId) -> SocketAddr {
    let [.., high, low] = node_id.to_be_bytes();
    ([10, 0, high, low], 7_946).into()
}

fn open_store(disk: &mut Option<TempDir>, node_id: NodeId) -> Result<Store> {
    let directory = match disk.take() {
        Some(directory) => directory,
        // No test here is about the disk: one in memory syncs at once.
        None => tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?,
    };
    let identity = Identity {
        node_id: Some(node_id),
        cluster_id: CLUSTER.to_string(),
    };
    let store = Store::open(directory.path(), identity);
    *disk = Some(directory);
    Ok(store?)
}
