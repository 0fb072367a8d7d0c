//! Agents under load for a long time: changes, reads at full speed, and peers that come and go.
//!
//! Memory, files and the queue are those that the agents themselves tell. `EDGE_CACHE_LONG_TESTS=1` makes it
//! five minutes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use edge_cache_tests::load::{Connection, request};
use edge_cache_tests::long_tests;
use edge_cache_tests::prometheus::Scrape;
use edge_cache_tests::wait::until;
use rustix::process::Signal;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::gossip_node::{Node, meet};

/// Requested changes per second, of all agents together.
const CHANGES_PER_SECOND: u32 = 200;
/// The nodes that the changes are about. The first have an agent.
const NODES: u64 = 300;
const AGENTS: u64 = 4;
/// The writers at each agent. All of them hold the pace while an answer takes a sixth of a second; on two cores
/// that the readers keep busy it takes less.
const WRITERS: usize = 12;
/// Number of readers. One agent has two of them.
const READERS: usize = 4;
/// Time that a peer stays, and time that it is away.
const STAYS: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Connections of peers that meet the moment of a look.
const FILES_SPARE: f64 = 4.0;
/// Maximum number of changes that can wait for an agent's writer: each caller waits for its answer. Callers
/// are the writers here, with one change each, and the agent's decision sync, with 256 decisions of peers at
/// once.
const DEPTH_MAX: usize = WRITERS + 256;
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// Parameters of a run.
struct Run {
    lasts: Duration,
    /// Minimum share of requested changes that are made, in percent. Writers wait for each answer,
    /// so the queues do not show an agent that falls behind: this share does.
    changes_percent_min: u64,
    reads_min: u64,
    /// Maximum growth of an agent's memory between the first and the last fifth. Killed peers are
    /// remembered for four minutes, with what they carried.
    growth_bytes_max: f64,
    /// Set if the last fifth is long enough for a queue that does not grow to be seen empty in it.
    is_seen_empty: bool,
}

const USUAL: Run = Run {
    lasts: Duration::from_secs(10),
    // That the machine has more to do than this is no failure.
    changes_percent_min: 5,
    reads_min: 1,
    // With what an agent needs to get going.
    growth_bytes_max: 16.0 * MIB,
    is_seen_empty: false,
};
const LONG: Run = Run {
    lasts: Duration::from_secs(300),
    changes_percent_min: 95,
    reads_min: 30_000,
    growth_bytes_max: 6.0 * MIB,
    is_seen_empty: true,
};
const MIB: f64 = 1024.0 * 1024.0;

/// Load on the agents, and its progress.
struct Load {
    start: Instant,
    end: Instant,
    /// Changes that a writer has taken on.
    begun: AtomicU64,
    // Answered as documented:
    changes: AtomicU64,
    reads: AtomicU64,
    /// Peers that came and went.
    peers: AtomicU64,
}

/// Metrics of one agent at one moment.
#[derive(Debug, Clone, Copy)]
struct Look {
    resident_bytes: f64,
    open_files: f64,
    queue_depth: f64,
}

impl Load {
    fn starting_now(lasts: Duration) -> Self {
        let start = Instant::now();
        Self {
            start,
            end: start + lasts,
            begun: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            peers: AtomicU64::new(0),
        }
    }

    fn goes_on(&self) -> bool {
        Instant::now() < self.end
    }
}

impl Look {
    fn at(scrape: &Scrape) -> Self {
        Self {
            resident_bytes: metric(scrape, "process_resident_memory_bytes"),
            open_files: metric(scrape, "process_open_fds"),
            queue_depth: metric(scrape, "edge_cache_queue_depth"),
        }
    }
}

/// A metric that must be there.
fn metric(scrape: &Scrape, name: &str) -> f64 {
    assert!(scrape.families().contains_key(name), "no {name}");
    scrape.value(name)
}

/// Sends a GET request on a connection of its own and returns the body.
async fn get(agent: SocketAddr, path: &str) -> String {
    let mut connection = Connection::open(agent).await.unwrap();
    let status = connection.ask(&request("GET", path, "")).await.unwrap();
    assert_eq!(status, 200);
    String::from_utf8(connection.body().to_vec()).unwrap()
}

async fn scrape(agent: SocketAddr) -> Scrape {
    Scrape::parse(&get(agent, "/metrics").await).unwrap()
}

/// Makes changes to random nodes. The writers together keep an even pace, and make up for what was late.
async fn change(mut connection: Connection, seed: u64, load: Arc<Load>) {
    let mut random = fastrand::Rng::with_seed(seed);
    while load.goes_on() {
        let number = load.begun.fetch_add(1, Ordering::Relaxed);
        let due = load.start + Duration::from_secs(number) / CHANGES_PER_SECOND;
        if due >= load.end {
            return;
        }
        sleep_until(due).await;
        let node = random.u64(1..=NODES);
        let path = format!("/api/v1/nodes/{node}/edge-cache");
        let (request, documented) = match random.u8(..10) {
            0..2 => (request("DELETE", &path, ""), [204, 404]),
            2..3 => {
                let body = r#"{"hits":3,"misses":1}"#;
                // Of a node with an agent, only that agent takes counters.
                let node = random.u64(AGENTS + 1..=NODES);
                let path = format!("/api/v1/nodes/{node}/edge-cache/stats");
                (request("POST", &path, body), [200, 404])
            }
            _ => {
                let disk = random.u32(1..1_000_000);
                let body = format!(
                    r#"{{"capacity":{{"cpu_cores":8,"ram_mib":1024,"disk_mib":{disk},"geo":"eu-1"}}}}"#
                );
                (request("POST", &path, &body), [204, 204])
            }
        };
        let status = connection.ask(&request).await.unwrap();
        assert!(
            documented.contains(&status),
            "{status}: {}",
            String::from_utf8_lossy(connection.body())
        );
        load.changes.fetch_add(1, Ordering::Relaxed);
    }
}

/// Reads as fast as the agent answers.
async fn read(mut connection: Connection, load: Arc<Load>) {
    let mut random = fastrand::Rng::with_seed(8);
    while load.goes_on() {
        let node = random.u64(1..=NODES);
        let (path, documented) = match random.u8(..50) {
            0 => ("/api/v1/edge-cache/nodes".to_string(), [200, 200]),
            1 => ("/metrics".to_string(), [200, 200]),
            2 => ("/api/v1/cluster/gossip/peers".to_string(), [200, 200]),
            3..15 => (format!("/api/v1/edge-cache/route?key={node}"), [200, 200]),
            _ => (format!("/api/v1/nodes/{node}/edge-cache"), [200, 404]),
        };
        let status = connection.ask(&request("GET", &path, "")).await.unwrap();
        assert!(documented.contains(&status), "{path}: {status}");
        load.reads.fetch_add(1, Ordering::Relaxed);
    }
}

/// A fourth agent comes, stays for a while, and leaves in order or is killed.
async fn come_and_go(seed: SocketAddr, load: Arc<Load>) {
    let seed = seed.to_string();
    let mut round = 0_u64;
    while load.goes_on() {
        let node = Node::start(4, &["--seed", &seed]).await.unwrap();
        sleep_until(Instant::now() + STAYS).await;
        round += 1;
        if round % 2 == 1 {
            node.signal(Signal::TERM);
            assert_eq!(node.ended().await, Some(0));
        } else {
            node.signal(Signal::KILL);
            node.ended().await;
        }
        load.peers.fetch_add(1, Ordering::Relaxed);
        sleep_until(Instant::now() + STAYS).await;
    }
}

/// Looks at each agent every second, and answers what each of them has told, in order.
async fn watch<const COUNT: usize>(
    agents: [SocketAddr; COUNT],
    load: Arc<Load>,
) -> [Vec<Look>; COUNT] {
    let mut looks = [const { Vec::new() }; COUNT];
    let mut pace = interval(LOOK_EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        if !load.goes_on() {
            return looks;
        }
        for (agent, looks) in agents.into_iter().zip(&mut looks) {
            looks.push(Look::at(&scrape(agent).await));
        }
    }
}

/// Checks that an agent's metrics neither grew nor exceeded their limits.
fn expect_steady(run: &Run, agent: SocketAddr, looks: &[Look]) {
    let fifth = looks.len().div_ceil(5);
    let (first, last) = (&looks[..fifth], &looks[looks.len() - fifth..]);
    let max = |looks: &[Look], of: fn(&Look) -> f64| looks.iter().map(of).fold(0.0, f64::max);

    let memory = [first, last].map(|part| max(part, |look| look.resident_bytes));
    let files = [first, last].map(|part| max(part, |look| look.open_files));
    let depth = [first, last, looks].map(|part| max(part, |look| look.queue_depth));
    let empty = |looks: &[Look]| looks.iter().filter(|look| look.queue_depth == 0.0).count();
    println!(
        "{agent}: at most in the first fifth and the last of {} looks: resident bytes {memory:?}, files {files:?}; \
         queue depth in these and all: {depth:?}, empty {:?} times",
        looks.len(),
        [first, last, looks].map(empty),
    );
    assert!(memory[1] < memory[0] + run.growth_bytes_max);
    assert!(files[1] <= files[0] + FILES_SPARE);
    assert!(depth[2] <= DEPTH_MAX as f64);
    assert!(!run.is_seen_empty || empty(last) > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_under_load_keep_their_footprint() {
    let run = if long_tests() { LONG } else { USUAL };
    let data = tempfile::tempdir().unwrap();
    let one = Node::start(1, &["--data-dir", data.path().to_str().unwrap()])
        .await
        .unwrap();
    let seed = one.gossip.to_string();
    let two = Node::start(2, &["--seed", &seed]).await.unwrap();
    let three = Node::start(3, &["--seed", &seed]).await.unwrap();
    meet(&[&one, &two, &three], SETTLED_WITHIN).await;
    let agents = [one.http, two.http, three.http];

    // All connections are open from the first look on.
    let (mut writers, mut readers) = (Vec::new(), Vec::new());
    for agent in agents.into_iter().cycle().take(agents.len() * WRITERS) {
        writers.push(Connection::open(agent).await.unwrap());
    }
    for agent in agents.into_iter().cycle().take(READERS) {
        readers.push(Connection::open(agent).await.unwrap());
    }
    let load = Arc::new(Load::starting_now(run.lasts));
    let mut tasks = JoinSet::new();
    for (seed, writer) in (1..).zip(writers) {
        tasks.spawn(change(writer, seed, load.clone()));
    }
    for reader in readers {
        tasks.spawn(read(reader, load.clone()));
    }
    tasks.spawn(come_and_go(one.gossip, load.clone()));
    let looks = watch(agents, load.clone()).await;
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }

    let asked = run.lasts.as_secs() * u64::from(CHANGES_PER_SECOND);
    let [changes, reads, peers] =
        [&load.changes, &load.reads, &load.peers].map(|count| count.load(Ordering::Relaxed));
    println!(
        "{changes} of {asked} changes in {:?}, {reads} reads, {peers} peers came and went",
        run.lasts
    );
    for (agent, looks) in agents.into_iter().zip(&looks) {
        expect_steady(&run, agent, looks);
    }
    assert!(changes * 100 >= asked * run.changes_percent_min);
    assert!(reads >= run.reads_min);
    assert!(peers > 0);

    for (agent, node) in agents.into_iter().zip([&one, &two, &three]) {
        until("an empty queue", SETTLED_WITHIN, || async {
            let depth = Look::at(&scrape(agent).await).queue_depth;
            if depth == 0.0 { Ok(()) } else { Err(depth) }
        })
        .await;
        let scrape = scrape(agent).await;
        for failures in [
            "edge_cache_plugin_restarts_total",
            "edge_cache_store_failures_total",
            "edge_cache_routing_assessment_failures_total",
            "edge_cache_gossip_restarts_total",
            "edge_cache_gossip_bad_records_total",
        ] {
            assert_eq!(metric(&scrape, failures), 0.0, "{failures}");
        }
        assert!(!node.log().contains("ERROR"), "{}", node.log());
    }
    until("the same nodes everywhere", SETTLED_WITHIN, || async {
        let mut lists = Vec::new();
        for agent in agents {
            let list = get(agent, "/api/v1/edge-cache/nodes").await;
            let mut list: Value = serde_json::from_str(&list).unwrap();
            for node in list["nodes"].as_array_mut().unwrap() {
                // Of nodes without an agent, each agent counts by itself.
                node.as_object_mut().unwrap().remove("hit_ratio");
            }
            lists.push(list);
        }
        if lists.iter().all(|list| *list == lists[0]) {
            Ok(())
        } else {
            Err(lists)
        }
    })
    .await;
}
