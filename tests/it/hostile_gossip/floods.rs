//! Senders that never stop. The agent keeps its memory, its processor time and its log small meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use edge_cache_tests::agent::write_secret;
use edge_cache_tests::long_tests;

use super::wire::{self, Member, Op};
use super::{CLUSTER, kib, newest, pair, plain};
use crate::gossip_node::{Node, enabled, expect_labels, keygen};

/// Memory of the agent at its peak.
const PEAK_KIB_MAX: u64 = 256 * 1024;
/// Part of two cores that the agent may use.
const CORES_MAX: f64 = 1.0;
/// Time for labels to be seen after a sender has stopped.
const SEEN_WITHIN: Duration = Duration::from_secs(20);

fn duration() -> Duration {
    Duration::from_secs(if long_tests() { 60 } else { 3 })
}

/// Runs a sender against an agent, and checks what that costs.
async fn flood(
    node: &Node,
    name: &str,
    mut send: impl FnMut(&UdpSocket, u64) -> Duration + Send + 'static,
) {
    let log = node.log().len();
    // The peak so far is forgotten.
    std::fs::write(format!("/proc/{}/clear_refs", node.pid()), "5").unwrap();
    let (busy, start) = (processor_s(node), Instant::now());
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let sender = tokio::task::spawn_blocking(move || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut number = 0;
        while !stopped.load(Ordering::Relaxed) {
            std::thread::sleep(send(&socket, number));
            number += 1;
        }
        number
    });
    let mut pauses = tokio::time::interval(Duration::from_millis(200));
    while start.elapsed() < duration() {
        pauses.tick().await;
        assert!(node.livez().await, "{name}: {}", node.log());
    }
    let elapsed = start.elapsed().as_secs_f64();
    let cores = (processor_s(node) - busy) / elapsed;
    let peak = kib(node, "VmHWM:");
    let lines = lines(&node.log()[log..]);
    stop.store(true, Ordering::Relaxed);
    let sent = sender.await.unwrap();
    println!("{name}: {sent} in {elapsed:.1} s, {cores:.2} cores, {peak} KiB, {lines:?}");
    assert!(peak <= PEAK_KIB_MAX, "{name}: {peak} KiB");
    // Some seconds beside other tests say little about the share of a processor.
    if long_tests() {
        assert!(cores <= CORES_MAX, "{name}: {cores} cores");
    }
    let most = elapsed as usize + 1;
    assert!(
        lines.values().all(|count| *count <= most),
        "{name}: {lines:?}"
    );
}

/// Numbers of lines by what they say.
fn lines(log: &str) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    for line in log
        .lines()
        .filter(|line| !line.contains("topology changed"))
    {
        let what = line.split_once(' ').map_or(line, |(_, rest)| rest);
        let what = what
            .chars()
            .filter(|it| !it.is_ascii_digit())
            .take(90)
            .collect();
        *lines.entry(what).or_insert(0) += 1;
    }
    lines
}

/// Returns the processor time of the agent.
fn processor_s(node: &Node) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", node.pid())).unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

/// Returns the addresses of the sockets between the agent and its gossip library.
fn inner_sockets(node: &Node) -> Vec<SocketAddr> {
    let fds = std::fs::read_dir(format!("/proc/{}/fd", node.pid())).unwrap();
    let own: BTreeSet<String> = fds
        .filter_map(|fd| {
            std::fs::read_link(fd.ok()?.path())
                .ok()?
                .into_os_string()
                .into_string()
                .ok()
        })
        .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let sockets = std::fs::read_to_string("/proc/net/udp").unwrap();
    sockets
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|columns| own.contains(columns[9]))
        .map(|columns| {
            let (_, port) = columns[1].split_once(':').unwrap();
            SocketAddr::from((Ipv4Addr::LOCALHOST, u16::from_str_radix(port, 16).unwrap()))
        })
        .filter(|address| *address != node.gossip)
        .collect()
}

async fn expect_alive(nodes: &[Node], cores: u64) {
    for node in nodes {
        node.enable(cores).await;
    }
    for node in nodes {
        for other in nodes.iter().filter(|other| other.id != node.id) {
            expect_labels(node, other.id, &enabled(cores), SEEN_WITHIN).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_processes_do_not_reach_the_inner_sockets() {
    let nodes = plain(&[]).await;
    let inner = inner_sockets(&nodes[0]);
    assert_eq!(inner.len(), 2);
    let received = nodes[0].datagrams_received().await;
    let small = inner.clone();
    flood(
        &nodes[0],
        "one byte to inner sockets",
        move |socket, number| {
            for address in &small {
                let _ = socket.send_to(&[number as u8], address);
            }
            Duration::ZERO
        },
    )
    .await;
    let bomb = wire::bomb(3_000);
    flood(&nodes[0], "bombs to inner sockets", move |socket, _| {
        for address in &inner {
            let _ = socket.send_to(&bomb, address);
        }
        Duration::ZERO
    })
    .await;
    assert!(
        nodes[0].datagrams_received().await > received,
        "gossip goes on"
    );
    expect_alive(&nodes, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_datagrams_cost_little() {
    let nodes = plain(&[]).await;
    let victim = nodes[0].gossip;
    let foreign = wire::syn("another cluster", &[]);
    let datagrams = [
        ("one byte", vec![0]),
        ("another cluster", foreign),
        ("refusals", vec![0x53, 0xb0, 0, 3]),
        ("bombs", wire::bomb(3_000)),
    ];
    for (name, datagram) in datagrams {
        flood(&nodes[0], name, move |socket, _| {
            let _ = socket.send_to(&datagram, victim);
            Duration::ZERO
        })
        .await;
    }
    expect_alive(&nodes, 2).await;
}

/// Runs a sender of values in the name of an invented member, and expects the labels of others soon.
async fn flood_of_values(name: &str, message: impl Fn(&Member, u64) -> Vec<u8> + Send + 'static) {
    let nodes = plain(&[]).await;
    let victim = nodes[0].gossip;
    let ghost = Member::new("worker:77", 1);
    flood(&nodes[0], name, move |socket, number| {
        let alive = (ghost.clone(), number + 1, 0);
        let _ = socket.send_to(&wire::syn(CLUSTER, &[alive]), victim);
        let _ = socket.send_to(&message(&ghost, number), victim);
        Duration::from_millis(20)
    })
    .await;
    expect_alive(&nodes, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_writes_without_end_is_bounded() {
    flood_of_values("large values", |ghost, number| {
        wire::swollen(ghost, number * 130 + 1, 130)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_fills_a_datagram_delays_nobody() {
    flood_of_values("one huge record", |ghost, number| {
        let version = number + 1;
        wire::ack(&[
            Op::OfFrom(ghost, version - 1),
            Op::Set(&ghost.name, &noise(65_300), version),
        ])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_of_many_keys_delays_nobody() {
    const KEYS: u64 = 60;
    flood_of_values("many keys", |ghost, number| {
        let first = number * KEYS + 1;
        let pairs: Vec<_> = (first..first + KEYS)
            .map(|version| (format!("key {version}"), noise(1_000), version))
            .collect();
        let mut ops = vec![Op::OfFrom(ghost, first - 1)];
        ops.extend(
            pairs
                .iter()
                .map(|(key, value, version)| Op::Set(key, value, *version)),
        );
        wire::ack(&ops)
    })
    .await;
}

fn noise(bytes: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric)
        .take(bytes)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_values_are_wrong_fills_no_log() {
    let nodes = plain(&[]).await;
    let victim = nodes[0].gossip;
    let ghost = Member::new("worker:78", 1);
    let large = "x".repeat(600);
    flood(&nodes[0], "bad values", move |socket, number| {
        let alive = (ghost.clone(), number + 1, 0);
        let _ = socket.send_to(&wire::syn(CLUSTER, &[alive]), victim);
        let version = number * 4 + 1;
        let text = format!("{number}");
        let ack = wire::ack(&[
            Op::OfFrom(&ghost, version - 1),
            Op::Set("worker:78", &text, version),
            Op::Set("edge_cache:5", &format!("{number}{large}"), version + 1),
            Op::Set("edge_cache:6", &text, version + 2),
            Op::Set("edge_cache_stats:78", &text, version + 3),
        ]);
        let _ = socket.send_to(&ack, victim);
        // Values of the future, and of a member that has forgotten some.
        let future = wire::ack(&[
            Op::OfFrom(&ghost, version + 1_000),
            Op::MaxVersion(version + 2_000),
        ]);
        let _ = socket.send_to(&future, victim);
        Duration::from_millis(1)
    })
    .await;
    expect_alive(&nodes, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_impersonation_does_not_fail_liveness() {
    let nodes = plain(&[]).await;
    let victim = nodes[0].gossip;
    let start = Instant::now();
    let mut sent = 0_u32;
    // As in the longest pause of a restart: nine datagrams in 30 s.
    let most = if long_tests() { 20 } else { 3 };
    while sent < most {
        let [own, _] = newest(victim, [1, 2]).await;
        let claim = [Op::Of(&own), Op::Set(&own.name, "v", 100_000)];
        super::send(victim, vec![wire::ack(&claim)]).await;
        sent += 1;
        let mut pauses = tokio::time::interval(Duration::from_millis(20));
        while start.elapsed() < Duration::from_secs(3) * sent {
            pauses.tick().await;
            assert!(nodes[0].livez().await, "{}", nodes[0].log());
        }
    }
    expect_alive(&nodes, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replayed_datagram_is_answered_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys");
    write_secret(&file, &keygen().await).unwrap();
    let ([one, two], relay) = pair(&["--gossip-key-file", file.to_str().unwrap()]).await;
    let (own, _) = super::recorded(&relay).await;
    // Those that were sent to another member are new to this one, once.
    let victim = one.gossip;
    let mut answers = 0;
    flood(&one, "replays", move |socket, number| {
        let datagram = &own[number as usize % own.len()];
        let _ = socket.send_to(datagram, victim);
        let mut answer = [0; 8];
        answers += usize::from(socket.recv(&mut answer).is_ok());
        assert!(answers <= own.len(), "{answers} answers");
        Duration::ZERO
    })
    .await;
    expect_alive(&[one, two], 2).await;
}
