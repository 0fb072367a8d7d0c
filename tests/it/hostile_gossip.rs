//! Agents among attackers who can send any datagram from the machine itself.
//!
//! - `wire`: messages of chitchat that end its server unless they are checked first
//! - `relay`: a network that records
//! - `garbage`: many datagrams, sent no faster than they are read
//! - `floods`: datagrams without end

mod floods;
mod garbage;
mod relay;
pub(crate) mod wire;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use edge_cache_host::gossip::{GossipConfig, GossipPool, Keyring, PeerInfo};
use edge_cache_tests::agent::write_secret;
use edge_cache_tests::long_tests;
use edge_cache_tests::wait::until;
use fastrand::Rng;

use crate::gossip_node::{Node, enabled, expect_labels, expect_peers, keygen, meet, metric};
use garbage::{Garbage, Sender};
use relay::Relay;
use wire::{Member, Op};

const CLUSTER: &str = "attacked";
/// Number of datagrams in a long run.
const DATAGRAMS_LONG: usize = 200_000;
const DATAGRAMS: usize = 30_000;
/// Datagrams before the first measurement of memory: buffers grow to their final size.
const WARM_UP: usize = 5_000;
/// Number of checks of the agents while datagrams are sent.
const LOOKS: usize = 20;
/// Maximum growth of the agent's memory at the end.
const GROWTH_KIB_MAX: u64 = 16 * 1024;
/// Maximum time for agents to find each other.
const MET_WITHIN: Duration = Duration::from_secs(15);
/// Maximum time for labels to be seen.
const SEEN_WITHIN: Duration = Duration::from_secs(3);
/// Maximum time until an agent without keys has recovered from any datagram.
const BACK_WITHIN: Duration = Duration::from_secs(10);
/// Number of recorded datagrams of a pair.
const RECORDED: usize = 100;
/// Maximum growth of an agent without keys at its peak.
const PEAK_KIB_MAX: u64 = 128 * 1024;
/// Maximum time that invented members take the place of others, where dead ones are remembered for 20 s: each of
/// four agents names them for 10 s, from when it heard of them.
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(40);
/// Maximum silence until a member counts as dead, after the others have known it for some seconds.
const MISSED_AFTER: Duration = Duration::from_secs(15);
/// Maximum time until nothing new is said: counters travel at most every ten seconds.
const STILL_WITHIN: Duration = Duration::from_secs(30);
/// By how much the largest message may differ without a member more in it.
const DIFFERENCE_BYTES_MAX: usize = 32;

/// Number of datagrams to send.
fn datagrams() -> usize {
    if long_tests() {
        DATAGRAMS_LONG
    } else {
        DATAGRAMS
    }
}

/// A source of randomness that says how to get the same again.
fn random() -> Rng {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    Rng::with_seed(seed)
}

async fn agent(id: u64, args: &[&str]) -> Node {
    let all = ["--cluster-id", CLUSTER, "--gossip-interval", "200ms"];
    Node::start(id, &[&all[..], args].concat()).await.unwrap()
}

/// Two agents that see each other, with a label each, over a network that records.
async fn pair(args: &[&str]) -> ([Node; 2], Relay) {
    let relay = Relay::new().await;
    let (first, second) = (relay.address(0).to_string(), relay.address(1).to_string());
    let one = [args, &["--gossip-advertise", &first]].concat();
    let one = agent(1, &one).await;
    relay.connect(0, one.gossip);
    let two = [args, &["--gossip-advertise", &second, "--seed", &first]].concat();
    let two = agent(2, &two).await;
    relay.connect(1, two.gossip);
    let nodes = [one, two];
    meet(&nodes.each_ref(), MET_WITHIN).await;
    expect_back(&nodes, 1, "the start").await;
    (nodes, relay)
}

/// Datagrams between two other members of a cluster.
async fn record(cluster: &str, keyring: Option<Keyring>) -> Vec<Vec<u8>> {
    let relay = Relay::new().await;
    let mut pools = Vec::new();
    for member in [0, 1] {
        let id = 11 + u64::try_from(member).unwrap();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut config = GossipConfig::new(PeerInfo::placeholder(id), cluster, any);
        config.advertise = Some(relay.address(member));
        config.seeds = vec![relay.address(1 - member).to_string()];
        config.interval = Duration::from_millis(50);
        config.keyring = keyring.clone();
        let pool = GossipPool::start(config).await.unwrap();
        relay.connect(member, pool.listen_addr());
        pools.push(pool);
    }
    let labels = BTreeMap::from([("edge_cache".to_owned(), "true".to_owned())]);
    pools[0].publish_labels(labels.clone()).unwrap();
    until("two members and what they say", MET_WITHIN, || async {
        let seen = pools[1].peers();
        let is_seen = seen.iter().any(|info| info.labels == labels);
        let count = relay.count();
        if is_seen && count >= RECORDED {
            Ok(())
        } else {
            Err((seen, count))
        }
    })
    .await;
    for pool in pools {
        pool.shutdown().await;
    }
    relay.take().0
}

/// Returns the datagrams of two members since the last call, and the length of the longest.
async fn recorded(relay: &Relay) -> (Vec<Vec<u8>>, usize) {
    until("recorded datagrams", MET_WITHIN, || async {
        let count = relay.count();
        if count >= RECORDED {
            Ok(())
        } else {
            Err(count)
        }
    })
    .await;
    relay.take()
}

/// A number from the agent's status, as the system has it: `VmRSS:` is the memory that it takes,
/// `VmHWM:` the most that it ever took.
fn kib(node: &Node, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|kib| kib.trim().parse().ok())
        .unwrap()
}

/// Sends this number of datagrams and waits until they have been read.
async fn flood(mut garbage: Garbage, to: SocketAddr, count: usize) -> Garbage {
    let sent = tokio::task::spawn_blocking(move || {
        let mut sender = Sender::new(to);
        let lost = sender.lost();
        for _ in 0..count {
            sender.send(&garbage.next());
        }
        sender.finish();
        (garbage, sender.lost().saturating_sub(lost))
    });
    let (garbage, lost) = sent.await.unwrap();
    let most = u64::try_from(count / 20).unwrap();
    assert!(lost <= most, "{lost} of {count} datagrams were never read");
    garbage
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_agent_believes_only_its_peers() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys");
    let key = keygen().await;
    write_secret(&file, &key).unwrap();
    let ([one, two], relay) = pair(&["--gossip-key-file", file.to_str().unwrap()]).await;
    let (mut own, _) = recorded(&relay).await;
    // Nothing changes any more: what is said from here on is the least.
    let (more, largest) = recorded(&relay).await;
    own.extend(more);

    let sealed = |key: &str| Some(Keyring::parse(key).unwrap());
    let mut others = record(CLUSTER, sealed(&keygen().await)).await;
    others.extend(record("another cluster", sealed(&key)).await);
    others.extend(record(CLUSTER, None).await);
    others.extend(
        deadly(&Member::new("worker:1", 1), &Member::new("worker:2", 1))
            .map(|it| it.1)
            .concat(),
    );
    let mut garbage = Garbage {
        random: random(),
        own,
        others,
    };
    garbage = flood(garbage, one.gossip, WARM_UP).await;
    let (before, log) = (kib(&one, "VmRSS:"), one.log());
    let start = Instant::now();
    for _ in 0..LOOKS {
        garbage = flood(garbage, one.gossip, datagrams() / LOOKS).await;
        assert!(one.livez().await);
        expect_peers(&one, &[2], Duration::ZERO).await;
        expect_peers(&two, &[1], Duration::ZERO).await;
    }
    println!("{} datagrams took {:?}", datagrams(), start.elapsed());
    let after = kib(&one, "VmRSS:");
    println!("{before} KiB before, {after} KiB after");
    assert!(
        after <= before + GROWTH_KIB_MAX,
        "{before} KiB, {after} KiB"
    );

    for (node, other) in [(&one, &two), (&two, &one)] {
        node.enable(2).await;
        expect_labels(other, node.id, &enabled(2), SEEN_WITHIN).await;
        expect_peers(node, &[other.id], Duration::ZERO).await;
        let log = node.log();
        assert!(!log.contains("the gossip server failed"), "{log}");
        assert!(!log.contains("panicked"), "{log}");
    }
    // Nobody came or went in between.
    let changes = |log: &str| log.matches("topology changed").count();
    assert!(log.contains("topology changed"), "{log}");
    // The one that is more is the other one's change of a label.
    assert_eq!(changes(&one.log()), changes(&log) + 1, "{}", one.log());
    // What the two say to each other is no longer than before: no member was taken in.
    // Counters of the nodes may still travel for some seconds.
    until("messages no longer than before", STILL_WITHIN, async || {
        relay.take();
        let (_, largest_after) = recorded(&relay).await;
        println!("largest message: {largest} bytes before, {largest_after} after");
        let is_as_before = largest_after <= largest + DIFFERENCE_BYTES_MAX;
        is_as_before.then_some(()).ok_or(largest_after)
    })
    .await;
}

/// Datagrams that would end chitchat's server or exhaust its memory or digest, one by one.
fn deadly(victim: &Member, peer: &Member) -> [(&'static str, Vec<Vec<u8>>); 9] {
    let ghost = Member::new("ghost", 1);
    let ghosts = |from: usize| {
        let members: Vec<_> = (from..from + 750)
            .map(|n| {
                (
                    Member::new(format!("worker:{}", u64::MAX - n as u64), 1),
                    1,
                    0,
                )
            })
            .collect();
        wire::syn(CLUSTER, &members)
    };
    [
        (
            "a version that falls",
            vec![wire::ack(&[
                Op::Of(&ghost),
                Op::Set("k", "v", 10),
                Op::MaxVersion(5),
            ])],
        ),
        (
            "a version of a peer that falls",
            vec![wire::ack(&[
                Op::Of(peer),
                Op::Set(&peer.name, "v", 1_000_000),
                Op::MaxVersion(5),
            ])],
        ),
        (
            "a record of a peer that it never wrote",
            vec![wire::ack(&[
                Op::Of(peer),
                Op::Set(&peer.name, "v", 2_000_000),
            ])],
        ),
        (
            "the last version of all, of the victim",
            vec![wire::ack(&[
                Op::Of(victim),
                Op::Set(&victim.name, "v", u64::MAX),
            ])],
        ),
        (
            "the victim's next version",
            vec![wire::ack(&[
                Op::Of(victim),
                Op::Set(&victim.name, "v", 100_000),
            ])],
        ),
        (
            "a key that begins with a letter of several bytes",
            vec![wire::ack(&[Op::Of(&ghost), Op::Set("\u{1f980}", "v", 10)])],
        ),
        (
            "the last heartbeat of all, of a peer",
            vec![wire::syn(CLUSTER, &[(peer.clone(), u64::MAX, 0)])],
        ),
        ("a bomb", vec![wire::bomb(2_000); 3]),
        ("too many members", vec![ghosts(0), ghosts(750)]),
    ]
}

/// Waits until the victim is alive and changes travel between all again.
async fn expect_back(nodes: &[Node], cores: u64, what: &str) {
    let start = Instant::now();
    let left = || BACK_WITHIN.saturating_sub(start.elapsed());
    until(&format!("a sign of life after {what}"), left(), || async {
        if nodes[0].livez().await {
            Ok(())
        } else {
            Err(nodes[0].log())
        }
    })
    .await;
    for node in nodes {
        node.enable(cores).await;
    }
    for node in nodes {
        for other in nodes.iter().filter(|other| other.id != node.id) {
            expect_labels(node, other.id, &enabled(cores), left()).await;
        }
    }
    println!("back {:?} after {what}", start.elapsed());
}

/// Looks again and again whether changes travel, until a member that says nothing new would be missed.
async fn expect_there(nodes: &[Node], what: &str) {
    let start = Instant::now();
    let mut cores = 100;
    loop {
        expect_back(nodes, cores, what).await;
        if start.elapsed() > MISSED_AFTER {
            break;
        }
        cores += 1;
    }
}

/// Three plain agents, the first of which is the victim.
async fn plain(more: &[&str]) -> [Node; 3] {
    let one = agent(1, more).await;
    let seed = one.gossip.to_string();
    let more = [more, &["--seed", &seed]].concat();
    let nodes = [one, agent(2, &more).await, agent(3, &more).await];
    meet(&nodes.each_ref(), MET_WITHIN).await;
    expect_back(&nodes, 1, "the start").await;
    nodes
}

/// Returns the newest members of two nodes that the victim knows. A restarted one has another generation, and
/// an attacker can ask for it.
async fn newest(victim: SocketAddr, nodes: [u64; 2]) -> [Member; 2] {
    let members = until("the victim's members", BACK_WITHIN, || async {
        let asked = tokio::task::spawn_blocking(move || wire::members_of(victim, CLUSTER));
        asked.await.unwrap().ok_or("no answer")
    })
    .await;
    nodes.map(|node| {
        let name = format!("worker:{node}");
        let of_node = members.iter().filter(|member| member.name == name);
        of_node
            .max_by_key(|member| member.generation)
            .unwrap()
            .clone()
    })
}

/// Sends these, and waits until they have been read.
async fn send(to: SocketAddr, datagrams: Vec<Vec<u8>>) {
    let sent = tokio::task::spawn_blocking(move || {
        let mut sender = Sender::new(to);
        for datagram in &datagrams {
            sender.send(datagram);
        }
        sender.finish();
    });
    sent.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_agent_recovers_soon_from_any_datagram() {
    let nodes = plain(&[]).await;
    let victim = nodes[0].gossip;
    let before = kib(&nodes[0], "VmHWM:");
    let nobody = Member::new("", 0);
    let names = deadly(&nobody, &nobody).map(|(name, _)| name);
    for (number, name) in names.iter().enumerate() {
        let [own, peer] = newest(victim, [1, 2]).await;
        let (_, datagrams) = deadly(&own, &peer)[number].clone();
        send(victim, datagrams).await;
        expect_back(&nodes, 10 + u64::try_from(number).unwrap(), name).await;
    }
    let peak = kib(&nodes[0], "VmHWM:");
    println!("at most {before} KiB before, {peak} KiB in the end");
    assert!(peak <= before + PEAK_KIB_MAX, "{before} KiB, {peak} KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_agent_is_back_soon_each_time_that_somebody_speaks_for_it() {
    let nodes = plain(&[]).await;
    let victim = nodes[0].gossip;
    for cores in 10..16 {
        let [own, _] = newest(victim, [1, 2]).await;
        let claim = [Op::Of(&own), Op::Set(&own.name, "v", 100_000)];
        send(victim, vec![wire::ack(&claim)]).await;
        expect_back(&nodes, cores, "somebody spoke for it").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_agents_go_on_beside_more_members_than_fit_and_forget_them() {
    let grace = ["--gossip-dead-grace", "20s"];
    let nodes = plain(&grace).await;
    // Each hears of other members, and all together do not fit into a message.
    for part in 0..40 {
        for node in &nodes {
            let names = (0..30).map(|n| format!("worker:{}{part:02}{n:02}", node.id));
            let ghosts: Vec<_> = names.map(|name| (Member::new(name, 1), 1, 0)).collect();
            send(node.gossip, vec![wire::syn(CLUSTER, &ghosts)]).await;
        }
    }
    expect_there(&nodes, "too many members").await;
    for node in &nodes {
        let log = node.log();
        assert!(!log.contains("members have failed"), "{log}");
    }
    let left_out = r#"edge_cache_gossip_dropped_datagrams_total{reason="digest_full"}"#;
    assert!(metric(&nodes[0], left_out).await > 0.0);
    // A member that is started now is heard once those that do not exist are forgotten.
    let seed = nodes[0].gossip.to_string();
    let start = Instant::now();
    let last = agent(4, &[&grace[..], &["--seed", &seed]].concat()).await;
    last.enable(3).await;
    for node in &nodes {
        expect_labels(node, last.id, &enabled(3), FORGOTTEN_WITHIN).await;
    }
    println!("heard after {:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_heartbeat_silences_no_member() {
    let nodes = plain(&[]).await;
    let victim = nodes[0].gossip;
    let [_, peer] = newest(victim, [1, 2]).await;
    // From now on the victim ignores the peer's own heartbeats.
    let far = (peer, u64::MAX / 2 - 1, 0);
    send(victim, vec![wire::syn(CLUSTER, &[far])]).await;
    expect_there(&nodes, "a heartbeat that was never sent").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_agent_is_back_soon_after_much_garbage() {
    let (nodes, relay) = pair(&[]).await;
    let key = Keyring::parse(&keygen().await).unwrap();
    let mut others = record(CLUSTER, Some(key)).await;
    others.extend(record(CLUSTER, None).await);
    others.extend(record("another cluster", None).await);
    let garbage = Garbage {
        random: random(),
        own: recorded(&relay).await.0,
        others,
    };
    let start = Instant::now();
    flood(garbage, nodes[0].gossip, datagrams()).await;
    println!("{} datagrams took {:?}", datagrams(), start.elapsed());
    expect_back(&nodes, 2, "the garbage").await;
    expect_there(&nodes, "the garbage has had its effect").await;
}
