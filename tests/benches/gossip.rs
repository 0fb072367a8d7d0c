//! Labels through gossip: how soon all members see them, with eager push and without, and what it costs.
//!
//! `-- loopback` and `-- simulation` run one part only.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use edge_cache_host::gossip::{
    GossipConfig, GossipMetrics, GossipPool, Network, PeerInfo, PushBudget, SimulatedNetwork,
    TopologyEvent, TopologyEvents,
};
use edge_cache_host::labels::Labels;
use edge_cache_host::{EdgeCacheRegistry, NodeCapacity, NodeId};
use edge_cache_tests::simulation::{address, holding_time};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

const INTERVAL: Duration = Duration::from_secs(1);
/// The member whose labels are waited for; the only one that has a registry.
const PUBLISHER: NodeId = 1;
/// Label that distinguishes the changes of a storm.
const STORM: &str = "storm";
/// Decides on the pauses and the weather. chitchat throws dice of its own.
const SEED: u64 = 20_260_101;

/// More than any network carries.
const UNLIMITED: PushBudget = PushBudget {
    rounds_per_second: u32::MAX,
    digest_bytes_per_second: u32::MAX,
};

fn main() -> Result<()> {
    let asked = |part: &str| {
        let mut parts = std::env::args()
            .skip(1)
            .filter(|arg| !arg.starts_with('-'))
            .peekable();
        parts.peek().is_none() || parts.any(|arg| arg == part)
    };
    if asked("loopback") {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?
            .block_on(loopback())?;
    }
    if asked("simulation") {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()?
            .block_on(simulation())?;
    }
    Ok(())
}

/// Real sockets and real time. Both kinds of clusters take turns, as the machine may change meanwhile.
async fn loopback() -> Result<()> {
    const MEMBERS: u64 = 100;
    const TURNS: usize = 2;
    const ROUNDS: usize = 10;
    println!("loopback UDP, {MEMBERS} members, interval {INTERVAL:?}");
    let mut rng = fastrand::Rng::with_seed(SEED);
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        for (push, rounds) in [
            (PushBudget::default(), &mut with),
            (PushBudget::OFF, &mut without),
        ] {
            let mut cluster = Cluster::start(MEMBERS, push, None).await?;
            for _ in 0..ROUNDS {
                rounds.push(cluster.round(&mut rng).await?);
            }
            cluster.end().await;
        }
    }
    compare(&with, &without);
    Ok(())
}

/// Virtual time: only the network and chitchat's timers count, not the processors.
async fn simulation() -> Result<()> {
    const MEMBERS: u64 = 300;
    const ROUNDS: usize = 20;
    println!("simulation, {MEMBERS} members, interval {INTERVAL:?}, datagrams take 1 to 3 ms");
    let mut rng = fastrand::Rng::with_seed(SEED);
    let mut all = Vec::new();
    // What no budget holds back takes this machine minutes for a second.
    let (long, short) = (Duration::from_secs(10), Duration::from_secs(2));
    for (name, push, storm) in [
        ("default budget", PushBudget::default(), long),
        ("without push", PushBudget::OFF, long),
        ("unlimited", UNLIMITED, short),
    ] {
        let network = SimulatedNetwork::new(SEED);
        network.delay(Duration::from_millis(1)..=Duration::from_millis(3));
        let mut cluster = Cluster::start(MEMBERS, push, Some(network)).await?;
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(cluster.round(&mut rng).await?);
        }
        println!("{name}: a change {}", Spread::median(&rounds));
        cluster.idle().await.print(name, "idle");
        cluster.storm(storm, &mut rng).await?.print(name, "storm");
        cluster.end().await;
        all.push(rounds);
    }
    if let [with, without, ..] = &*all {
        compare(with, without);
    }
    Ok(())
}

struct Cluster {
    registry: EdgeCacheRegistry,
    pools: Vec<GossipPool>,
    /// Changes of the publisher that were seen, with the time.
    seen: mpsc::UnboundedReceiver<(u32, Instant)>,
    changes: u32,
}

/// Times at which the others saw a change.
#[derive(Clone, Copy)]
struct Spread {
    p50: Duration,
    p99: Duration,
    last: Duration,
}

/// Traffic between the members during a period.
struct Cost {
    members: f64,
    took: Duration,
    datagrams: u64,
    bytes: u64,
    pushes: u64,
    digest_bytes: u64,
    /// Time until all members had the last change.
    settled: Option<Duration>,
    really: Duration,
}

impl Cluster {
    /// Starts members, spread over an interval, and waits until all know all.
    async fn start(
        members: u64,
        push: PushBudget,
        network: Option<SimulatedNetwork>,
    ) -> Result<Self> {
        let mut pools: Vec<GossipPool> = Vec::new();
        let (sender, seen) = mpsc::unbounded_channel();
        for node_id in PUBLISHER..PUBLISHER + members {
            let listen = match &network {
                Some(_) => address(node_id),
                None => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            };
            let info = PeerInfo::placeholder(node_id);
            let mut config = GossipConfig::new(info, "bench", listen);
            config.interval = INTERVAL;
            config.push = push;
            config.seeds = pools
                .iter()
                .take(3)
                .map(|seed| seed.advertise_addr().to_string())
                .collect();
            if let Some(network) = &network {
                config.network = Network::Simulated(network.clone());
            }
            let pool = GossipPool::start(config).await?;
            if node_id != PUBLISHER {
                tokio::spawn(follow(pool.subscribe(), sender.clone()));
            }
            pools.push(pool);
            sleep(INTERVAL.div_f64(members as f64)).await;
        }
        while !pools
            .iter()
            .all(|pool| pool.snapshot().len() == pools.len() - 1)
        {
            sleep(Duration::from_millis(100)).await;
        }
        let publisher = pools.first().context("there is a publisher")?;
        let registry = EdgeCacheRegistry::builder(edge_cache_tests::reference_plugin()?)
            .gossip(publisher.clone())
            .start();
        let registry = holding_time("the start of the registry", registry).await?;
        // What came from the start itself is over.
        sleep(INTERVAL * 5).await;
        Ok(Self {
            registry,
            pools,
            seen,
            changes: 0,
        })
    }

    /// Enables the publisher and waits until all others have seen it.
    async fn round(&mut self, rng: &mut fastrand::Rng) -> Result<Spread> {
        // Anywhere between two rounds of gossip, and with a full budget.
        sleep(INTERVAL + INTERVAL.mul_f64(rng.f64())).await;
        self.changes += 1;
        let capacity = NodeCapacity {
            cpu_cores: self.changes,
            ram_mib: 16_384,
            disk_mib: 102_400,
            geo: Some("eu-central-1".to_string()),
        };
        let start = Instant::now();
        holding_time("enable", self.registry.enable(PUBLISHER, capacity)).await?;
        let mut times = Vec::new();
        while times.len() + 1 < self.pools.len() {
            let (change, at) = self.seen.recv().await.context("everybody follows")?;
            if change == self.changes {
                times.push(at - start);
            }
        }
        times.sort_unstable();
        let at = |share: f64| {
            let place = (times.len().saturating_sub(1) as f64 * share).round();
            times.get(place as usize).copied()
        };
        Ok(Spread {
            p50: at(0.5).context("somebody saw it")?,
            p99: at(0.99).context("somebody saw it")?,
            last: at(1.0).context("somebody saw it")?,
        })
    }

    /// Nothing happens.
    async fn idle(&self) -> Cost {
        let before = self.cost_so_far();
        let (start, really) = (Instant::now(), std::time::Instant::now());
        sleep(INTERVAL * 20).await;
        self.cost_so_far()
            .since(&before, start.elapsed(), really.elapsed())
    }

    /// Fifty changes a second, anywhere.
    async fn storm(&self, lasting: Duration, rng: &mut fastrand::Rng) -> Result<Cost> {
        const PAUSE: Duration = Duration::from_millis(20);
        let mut newest = vec![None; self.pools.len()];
        let before = self.cost_so_far();
        let (start, really) = (Instant::now(), std::time::Instant::now());
        let mut changes = 0_u32..;
        while start.elapsed() < lasting {
            let change = changes.next().context("there are enough numbers")?;
            let place = rng.usize(..self.pools.len());
            if let (Some(pool), Some(newest)) = (self.pools.get(place), newest.get_mut(place)) {
                *newest = Some(change.to_string());
                pool.publish_labels(Labels::from([(STORM.to_string(), change.to_string())]))?;
            }
            sleep(PAUSE).await;
        }
        let mut cost = self
            .cost_so_far()
            .since(&before, start.elapsed(), really.elapsed());
        let over = Instant::now();
        while !self.all_see(&newest) {
            sleep(PAUSE).await;
        }
        cost.settled = Some(over.elapsed() + PAUSE);
        Ok(cost)
    }

    fn all_see(&self, newest: &[Option<String>]) -> bool {
        self.pools.iter().all(|pool| {
            let peers = pool.snapshot();
            self.pools.iter().zip(newest).all(|(of, newest)| {
                let (of, Some(newest)) = (of.node_id(), newest) else {
                    return true;
                };
                let label = peers.get(of).and_then(|peer| peer.labels.get(STORM));
                of == pool.node_id() || label == Some(newest)
            })
        })
    }

    fn cost_so_far(&self) -> Cost {
        let first = self.pools.first().map(GossipPool::metrics);
        let sum = |of: fn(&GossipMetrics) -> u64| -> u64 {
            self.pools.iter().map(|pool| of(pool.metrics())).sum()
        };
        Cost {
            members: self.pools.len() as f64,
            took: Duration::ZERO,
            datagrams: sum(|metrics| metrics.sent().0),
            bytes: sum(|metrics| metrics.sent().1),
            pushes: sum(|metrics| metrics.pushes.get()),
            digest_bytes: first.map_or(0, |metrics| metrics.digest_bytes.get()),
            settled: None,
            really: Duration::ZERO,
        }
    }

    async fn end(self) {
        for pool in &self.pools {
            pool.shutdown().await;
        }
    }
}

/// Tells of each change of the publisher that a member sees.
async fn follow(mut events: TopologyEvents, seen: mpsc::UnboundedSender<(u32, Instant)>) {
    while let Some(event) = events.next().await {
        let (TopologyEvent::Joined(info) | TopologyEvent::Updated(info)) = event else {
            continue;
        };
        let change = info.labels.get("edge_cache_cpu");
        if let (PUBLISHER, Some(change)) = (info.node_id, change.and_then(|c| c.parse().ok())) {
            let _ = seen.send((change, Instant::now()));
        }
    }
}

impl Spread {
    /// Of each place in the order the median over all rounds.
    fn median(rounds: &[Self]) -> Self {
        let of = |part: fn(&Self) -> Duration| {
            let mut times: Vec<_> = rounds.iter().map(part).collect();
            times.sort_unstable();
            times.get(times.len() / 2).copied().unwrap_or_default()
        };
        Self {
            p50: of(|spread| spread.p50),
            p99: of(|spread| spread.p99),
            last: of(|spread| spread.last),
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { p50, p99, last } = self;
        write!(
            f,
            "reaches p50 {:.1} ms, p99 {:.1} ms, the last {:.1} ms",
            millis(*p50),
            millis(*p99),
            millis(*last)
        )
    }
}

/// Prints the medians and the ratios that are asked for.
fn compare(with: &[Spread], without: &[Spread]) {
    let rounds = with.len();
    let (with, without) = (Spread::median(with), Spread::median(without));
    println!("medians of {rounds} rounds");
    println!("  with eager push: {with}");
    println!("  without:         {without}");
    let ratio = |of: fn(&Spread) -> Duration| millis(of(&with)) / millis(of(&without));
    println!(
        "  ratio: p50 {:.3} (needed 0.1), p99 {:.3}, the last {:.3} (needed 0.25)",
        ratio(|spread| spread.p50),
        ratio(|spread| spread.p99),
        ratio(|spread| spread.last)
    );
}

impl Cost {
    fn since(mut self, before: &Self, took: Duration, really: Duration) -> Self {
        self.took = took;
        self.datagrams -= before.datagrams;
        self.bytes -= before.bytes;
        self.pushes -= before.pushes;
        self.really = really;
        self
    }

    fn print(&self, name: &str, what: &str) {
        let a_second = |count: u64| count as f64 / self.members / self.took.as_secs_f64();
        println!(
            "{name}: {what} of {:.0} s: {:.1} datagrams, {:.1} KB, {:.2} pushes a member and second, \
             digest {} B{}; {:.2} s of this machine a second",
            self.took.as_secs_f64(),
            a_second(self.datagrams),
            a_second(self.bytes) / 1e3,
            a_second(self.pushes),
            self.digest_bytes,
            self.settled.map_or_else(String::new, |settled| format!(
                ", all see the last change after {:.0} ms",
                millis(settled)
            )),
            self.really.as_secs_f64() / self.took.as_secs_f64(),
        );
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
