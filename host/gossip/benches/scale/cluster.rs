//! Members on one simulated network, each with the labels and decisions of an agent.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use edge_cache_core::decision::{Decision, Timestamp};
use edge_cache_core::{EdgeCacheNode, NodeCapacity};
use edge_cache_gossip::{
    GossipConfig, GossipMemory, GossipPool, Keyring, Network, PeerInfo, ProcessMemory, Protocol,
    RememberedMembers, SimulatedNetwork, TopologyEvent,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::Scale;

/// Time between two rounds of gossip, as by default.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);
/// Members that all others ask first.
const SEEDS: u64 = 3;
/// First number of a change, above all node ids.
const FIRST_CHANGE: u64 = 1_000_000;
/// Label with the number of a change.
const CHANGE: &str = "change";
/// Virtual time after which a wait has failed.
const DEADLINE: Duration = Duration::from_secs(1_200);
/// Pause between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Real time between two lines about the progress of a part.
const PROGRESS_EVERY: Duration = Duration::from_secs(60);
/// Decides on the weather. chitchat throws dice of its own.
const SEED: u64 = 20_260_101;

/// A cluster on its network.
pub(crate) struct Cluster {
    pub(crate) network: SimulatedNetwork,
    keyring: Option<Keyring>,
    scale: Scale,
    pools: BTreeMap<u64, GossipPool>,
    memories: BTreeMap<u64, Arc<ProcessMemory>>,
    seen: mpsc::UnboundedReceiver<Sighting>,
    sight: mpsc::UnboundedSender<Sighting>,
    turns: u64,
    begin: Instant,
    /// Real time of the last line about the progress.
    told: Cell<std::time::Instant>,
}

/// A change that one member has seen.
struct Sighting {
    change: u64,
    at: Instant,
}

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Labels,
    Decision,
}

/// The history of the members that start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Past {
    /// Members of the cluster from before, which publish their records at once.
    Known,
    /// Members that first look for another one with their node id, ten intervals long.
    New,
}

impl Cluster {
    /// Makes a network without members, whose datagrams take 1 to 3 ms.
    pub(crate) fn new(scale: Scale) -> Result<Self> {
        let network = SimulatedNetwork::of_datagrams(SEED);
        network.delay(Duration::from_millis(1)..=Duration::from_millis(3));
        let (sight, seen) = mpsc::unbounded_channel();
        // ZLayer's nodes have no keys.
        let keyring = match scale.protocol {
            Protocol::V0 => None,
            Protocol::V1 => Some(Keyring::parse(&Keyring::generate()?)?),
        };
        Ok(Self {
            network,
            keyring,
            scale,
            pools: BTreeMap::new(),
            memories: BTreeMap::new(),
            seen,
            sight,
            turns: 0,
            begin: Instant::now(),
            told: Cell::new(std::time::Instant::now()),
        })
    }

    /// Starts all members spread over one interval, and waits until all know all.
    pub(crate) async fn started(scale: Scale) -> Result<Self> {
        let mut cluster = Self::new(scale)?;
        let pause = INTERVAL.div_f64(scale.members as f64);
        cluster.start_all(Past::Known, pause).await?;
        cluster.until_all_know_all().await?;
        cluster.rest().await;
        Ok(cluster)
    }

    /// Starts all members with a pause after each.
    pub(crate) async fn start_all(&mut self, past: Past, pause: Duration) -> Result<()> {
        for node_id in 1..=self.scale.members {
            if past == Past::Known {
                let memory = self.memories.entry(node_id).or_default();
                let remembered = RememberedMembers {
                    own_address: Some(address(node_id)),
                    ..RememberedMembers::default()
                };
                memory
                    .remember(&remembered)
                    .map_err(anyhow::Error::from_boxed)?;
            }
            self.start(node_id).await?;
            self.progress(|| format!("{node_id} members started"));
            if !pause.is_zero() {
                sleep(pause).await;
            }
        }
        Ok(())
    }

    /// Starts a member, which remembers its life before.
    pub(crate) async fn start(&mut self, node_id: u64) -> Result<()> {
        let mut config = GossipConfig::new(info(node_id), "scale", address(node_id));
        config.interval = INTERVAL;
        config.protocol = self.scale.protocol;
        config.network = Network::Simulated(self.network.clone());
        config.keyring = self.keyring.clone();
        config.policy = Some("0".repeat(64));
        config.memory = self.memories.entry(node_id).or_default().clone();
        config.seeds = (1..=SEEDS).map(|seed| address(seed).to_string()).collect();
        let pool = GossipPool::start(config).await?;
        // Each decision has about as many carriers as any other.
        let first = node_id * self.scale.decided / self.scale.members;
        let carried = first..first + self.scale.carried;
        pool.publish_decisions(
            carried.map(|node| (node % self.scale.decided, Some(decision(node)))),
        );
        tokio::spawn(follow(pool.clone(), self.sight.clone()));
        self.pools.insert(node_id, pool);
        Ok(())
    }

    /// Takes a member out of the cluster, to be stopped or to leave.
    pub(crate) fn take(&mut self, node_id: u64) -> Result<GossipPool> {
        self.pools.remove(&node_id).context("it runs")
    }

    /// The members that run.
    pub(crate) fn pools(&self) -> impl Iterator<Item = &GossipPool> {
        self.pools.values()
    }

    /// Number of members that run.
    pub(crate) fn len(&self) -> usize {
        self.pools.len()
    }

    /// Lets time pass in which nothing new happens.
    pub(crate) async fn rest(&self) {
        sleep(INTERVAL * 3).await;
    }

    /// Prints on standard error how far a large cluster has come, once a minute of real time.
    pub(crate) fn progress(&self, text: impl FnOnce() -> String) {
        if self.told.get().elapsed() >= PROGRESS_EVERY {
            self.told.set(std::time::Instant::now());
            eprintln!(
                "  at {:.1?} of virtual time: {}",
                self.begin.elapsed(),
                text()
            );
        }
    }

    /// Waits until each member knows all others that run, and no more.
    pub(crate) async fn until_all_know_all(&self) -> Result<Duration> {
        let others = self.len() - 1;
        self.until("all members know all others", |pool| {
            pool.snapshot().len() == others
        })
        .await
    }

    /// Waits until a condition holds at all members. Returns the time that it took.
    pub(crate) async fn until(
        &self,
        what: &str,
        holds: impl Fn(&GossipPool) -> bool,
    ) -> Result<Duration> {
        let begin = Instant::now();
        loop {
            let missing = self.pools().filter(|pool| !holds(pool)).count();
            if missing == 0 {
                return Ok(begin.elapsed());
            }
            ensure!(
                begin.elapsed() < DEADLINE,
                "{what}: not at {missing} members"
            );
            self.progress(|| format!("{what}: not yet at {missing} members"));
            sleep(LOOK_EVERY).await;
        }
    }

    /// Changes the labels of a member, or a decision, or both: each time at another member. Returns the numbers of the
    /// changes.
    pub(crate) fn change(&mut self, kinds: &[Kind]) -> Result<Vec<u64>> {
        // A prime number: all members have their turn before one has a second.
        const STEP: u64 = 7_919;
        self.turns += 1;
        let place = usize::try_from(self.turns * STEP)? % self.len();
        let pool = self.pools().nth(place).context("no member is there")?;
        let first = FIRST_CHANGE + self.turns * 2;
        let mut numbers = Vec::new();
        for (kind, number) in kinds.iter().zip(first..) {
            match kind {
                Kind::Labels => {
                    let mut labels = info(pool.node_id()).labels;
                    labels.insert(CHANGE.to_string(), number.to_string());
                    pool.publish_labels(labels)?;
                }
                Kind::Decision => pool.publish_decisions([(number, Some(decision(number)))]),
            }
            numbers.push(number);
        }
        Ok(numbers)
    }

    /// Waits until all other members have seen these changes. Returns for each the times at which they did, ascending.
    pub(crate) async fn seen(
        &mut self,
        made: &BTreeMap<u64, Instant>,
    ) -> Result<Vec<Vec<Duration>>> {
        let mut times: BTreeMap<u64, Vec<Duration>> =
            made.keys().map(|change| (*change, Vec::new())).collect();
        let (others, mut open) = (self.len() - 1, made.len());
        let deadline = Instant::now() + DEADLINE;
        while open > 0 {
            let sighting = tokio::time::timeout_at(deadline, self.seen.recv())
                .await
                .with_context(|| format!("{open} changes did not reach all members"))?
                .context("somebody follows")?;
            let (Some(made), Some(times)) =
                (made.get(&sighting.change), times.get_mut(&sighting.change))
            else {
                continue;
            };
            times.push(sighting.at - *made);
            open -= usize::from(times.len() == others);
        }
        let mut times: Vec<_> = times.into_values().collect();
        times.iter_mut().for_each(|times| times.sort_unstable());
        Ok(times)
    }

    /// Stops all members.
    pub(crate) async fn end(self) {
        let stops = self.pools.values().map(GossipPool::shutdown);
        futures_util::future::join_all(stops).await;
    }
}

/// Returns the address of a member, in all its lives.
pub(crate) fn address(node_id: u64) -> SocketAddr {
    let [.., high, low] = node_id.to_be_bytes();
    ([10, 0, high, low], 7_946).into()
}

/// Returns the info of an agent whose node is enabled by the reference plugin.
fn info(node_id: u64) -> PeerInfo {
    let labels = [
        ("edge_cache", "true"),
        ("edge_cache_cpu", "8"),
        ("edge_cache_ram_mib", "16384"),
        ("edge_cache_disk_mib", "102400"),
        ("edge_cache_geo", "eu-central-1"),
    ];
    PeerInfo {
        labels: labels
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .into(),
        ..PeerInfo::placeholder(node_id)
    }
}

/// Returns a decision that enables a node, as agents write it.
fn decision(node_id: u64) -> String {
    const AT_MS: u64 = 1_767_225_600_000;
    let node = EdgeCacheNode {
        node_id,
        capacity: NodeCapacity {
            cpu_cores: 8,
            ram_mib: 16_384,
            disk_mib: 102_400,
            geo: Some("eu-central-1".to_string()),
        },
        enabled_at: Timestamp::at_ms(AT_MS).time(),
    };
    Decision::enable(&node, Timestamp::at_ms(AT_MS), node_id).encode()
}

/// Tells of each change that a member sees, until it stops.
async fn follow(pool: GossipPool, sight: mpsc::UnboundedSender<Sighting>) {
    let mut events = pool.subscribe();
    loop {
        let changes: Vec<u64> = tokio::select! {
            event = events.next() => match event {
                Some(TopologyEvent::Updated(info)) => {
                    info.labels.get(CHANGE).and_then(|change| change.parse().ok()).into_iter().collect()
                }
                Some(_) => continue,
                None => return,
            },
            decisions = pool.take_decisions() => decisions.into_iter().map(|(node_id, _)| node_id).collect(),
        };
        let at = Instant::now();
        for change in changes.into_iter().filter(|change| *change > FIRST_CHANGE) {
            let _ = sight.send(Sighting { change, at });
        }
    }
}
