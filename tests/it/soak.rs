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
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep_until};

use crate::gossip_node::{Node, meet};

/// How many changes a second are asked for, of all agents together.
const CHANGES_PER_SECOND: u32 = 200;
/// The nodes that the changes are about.
const NODES: u64 = 300;
const WRITERS: u32 = 4;
const READERS: usize = 4;
/// How long a peer stays, and how long it is away.
const STAYS: Duration = Duration::from_secs(3);
/// What an agent's memory may grow by after the first part. Peers that were killed are remembered for four
/// minutes, with what they carried.
const GROWTH_BYTES_MAX: f64 = 16.0 * 1024.0 * 1024.0;
/// Connections of peers that meet the moment of a look.
const FILES_SPARE: f64 = 4.0;
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// How long it runs, and how much of that is the first part, in which memory may grow.
struct Times {
    first: Duration,
    all: Duration,
}

/// What was asked, and answered as documented.
#[derive(Debug, Default)]
struct Done {
    changes: AtomicU64,
    reads: AtomicU64,
    peers: AtomicU64,
}

async fn scrape(address: SocketAddr) -> Scrape {
    let mut connection = Connection::open(address).await.unwrap();
    let status = connection
        .ask(&request("GET", "/metrics", ""))
        .await
        .unwrap();
    assert_eq!(status, 200);
    Scrape::parse(std::str::from_utf8(connection.body()).unwrap()).unwrap()
}

/// Resident bytes and open files.
async fn footprint(address: SocketAddr) -> (f64, f64) {
    let scrape = scrape(address).await;
    (
        scrape.value("edge_cache_process_resident_memory_bytes"),
        scrape.value("edge_cache_process_open_files"),
    )
}

/// Changes random nodes at random agents, at an even pace; what was late is made up for.
async fn change(agents: Vec<SocketAddr>, seed: u32, until: Instant, done: Arc<Done>) {
    let mut connections = Vec::new();
    for agent in agents {
        connections.push(Connection::open(agent).await.unwrap());
    }
    let mut random = fastrand::Rng::with_seed(seed.into());
    let mut pace = interval(Duration::from_secs(1) * WRITERS / CHANGES_PER_SECOND);
    while Instant::now() < until {
        pace.tick().await;
        let node = random.u64(1..=NODES);
        let path = format!("/api/v1/nodes/{node}/edge-cache");
        let (request, documented) = match random.u8(..10) {
            0..2 => (request("DELETE", &path, ""), [204, 404]),
            2..3 => {
                let body = r#"{"hits":3,"misses":1}"#;
                (request("POST", &format!("{path}/stats"), body), [200, 404])
            }
            _ => {
                let disk = random.u32(1..1_000_000);
                let body = format!(
                    r#"{{"capacity":{{"cpu_cores":8,"ram_mib":1024,"disk_mib":{disk},"geo":"eu-1"}}}}"#
                );
                (request("POST", &path, &body), [204, 204])
            }
        };
        let connection = random.choice(&mut connections).unwrap();
        let status = connection.ask(&request).await.unwrap();
        assert!(
            documented.contains(&status),
            "{status}: {}",
            String::from_utf8_lossy(connection.body())
        );
        done.changes.fetch_add(1, Ordering::Relaxed);
    }
}

/// Reads as fast as the agent answers.
async fn read(agent: SocketAddr, until: Instant, done: Arc<Done>) {
    let mut connection = Connection::open(agent).await.unwrap();
    let mut random = fastrand::Rng::with_seed(8);
    while Instant::now() < until {
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
        done.reads.fetch_add(1, Ordering::Relaxed);
    }
}

/// A fourth agent comes, stays for a while, and leaves in order or is killed.
async fn come_and_go(seed: SocketAddr, until: Instant, done: Arc<Done>) {
    let seed = seed.to_string();
    let mut round = 0_u64;
    while Instant::now() < until {
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
        done.peers.fetch_add(1, Ordering::Relaxed);
        sleep_until(Instant::now() + STAYS).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_under_load_keep_their_footprint() {
    let times = if long_tests() {
        Times {
            first: Duration::from_secs(60),
            all: Duration::from_secs(300),
        }
    } else {
        Times {
            first: Duration::from_secs(5),
            all: Duration::from_secs(10),
        }
    };
    let data = tempfile::tempdir().unwrap();
    let one = Node::start(1, &["--data-dir", data.path().to_str().unwrap()])
        .await
        .unwrap();
    let seed = one.gossip.to_string();
    let two = Node::start(2, &["--seed", &seed]).await.unwrap();
    let three = Node::start(3, &["--seed", &seed]).await.unwrap();
    meet(&[&one, &two, &three], SETTLED_WITHIN).await;
    let agents = [one.http, two.http, three.http];

    let start = Instant::now();
    let end = start + times.all;
    let done = Arc::<Done>::default();
    let mut load = JoinSet::new();
    for writer in 0..WRITERS {
        load.spawn(change(agents.to_vec(), writer, end, done.clone()));
    }
    for reader in 0..READERS {
        load.spawn(read(agents[reader % agents.len()], end, done.clone()));
    }
    load.spawn(come_and_go(one.gossip, end, done.clone()));

    sleep_until(start + times.first).await;
    let mut first = Vec::new();
    for agent in agents {
        first.push(footprint(agent).await);
    }
    // Just before the load ends, so that the same connections are open.
    sleep_until(end - times.all / 20).await;
    for (agent, (memory, files)) in agents.into_iter().zip(first) {
        let (memory_then, files_then) = footprint(agent).await;
        println!(
            "{agent}: resident bytes {memory} -> {memory_then}, files {files} -> {files_then}"
        );
        assert!(
            memory_then < memory + GROWTH_BYTES_MAX,
            "{memory} -> {memory_then}"
        );
        assert!(files_then <= files + FILES_SPARE, "{files} -> {files_then}");
    }
    while let Some(ended) = load.join_next().await {
        ended.unwrap();
    }
    println!("{done:?} in {:?}", start.elapsed());
    assert!(done.reads.load(Ordering::Relaxed) > 100);
    assert!(done.peers.load(Ordering::Relaxed) > 0);
    let changes = done.changes.load(Ordering::Relaxed);
    assert!(changes > 100, "{changes}");

    for (agent, node) in agents.into_iter().zip([&one, &two, &three]) {
        until("an empty queue", SETTLED_WITHIN, || async {
            let depth = scrape(agent).await.value("edge_cache_queue_depth");
            if depth == 0.0 { Ok(()) } else { Err(depth) }
        })
        .await;
        let scrape = scrape(agent).await;
        assert_eq!(scrape.value("edge_cache_plugin_restarts_total"), 0.0);
        assert_eq!(scrape.value("edge_cache_store_failures_total"), 0.0);
        assert_eq!(scrape.value("edge_cache_routing_failures_total"), 0.0);
        assert!(!node.log().contains("ERROR"), "{}", node.log());
    }
    until("the same nodes everywhere", SETTLED_WITHIN, || async {
        let mut nodes = Vec::new();
        for agent in agents {
            nodes.push(scrape(agent).await.value("edge_cache_nodes"));
        }
        if nodes.iter().all(|count| *count == nodes[0]) {
            Ok(())
        } else {
            Err(nodes)
        }
    })
    .await;
}
