//! Five agents with hosts of their own, as far as the network goes: cut off, killed, ended.
//!
//! Each host is a network namespace with an address, plugged into a bridge. The bridge is in a
//! namespace too, so nothing of the machine's own network is touched.

mod network;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use edge_cache_tests::agent::write_secret;
use edge_cache_tests::wait::until;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::gossip_node::{Node, enabled, keygen};
use network::Network;

const HOSTS: u64 = 5;
/// Maximum time for agents to find each other.
const MET_WITHIN: Duration = Duration::from_secs(15);
/// Maximum time for labels to be seen.
const SEEN_WITHIN: Duration = Duration::from_secs(3);
/// Maximum time until a host is detected as dead: 35 s, if it was known only briefly.
const MISSED_WITHIN: Duration = Duration::from_secs(40);
/// Maximum time for two partitions to merge.
const HEALED_WITHIN: Duration = Duration::from_secs(10);
/// Maximum time for a leave.
const LEFT_WITHIN: Duration = Duration::from_secs(1);
/// The port of gossip: the hosts have nothing else on their addresses.
const PORT: u16 = 7946;

/// An agent on a host.
async fn start(network: &Network, id: u64, directory: &Path) -> Node {
    let listen = format!("{}:{PORT}", network.address(id));
    let seeds = format!(
        "{}:{PORT},{}:{PORT}",
        network.address(1),
        network.address(2)
    );
    let data = directory.join(format!("data-{id}"));
    let keys = directory.join("keys");
    let args = [
        ["--gossip-listen", &listen],
        ["--seed", &seeds],
        ["--gossip-interval", "200ms"],
        ["--gossip-key-file", keys.to_str().unwrap()],
        ["--data-dir", data.to_str().unwrap()],
    ];
    let launcher = ["ip", "netns", "exec", network.host(id)];
    let mut node = Node::start_with(&launcher, id, args.as_flattened())
        .await
        .unwrap();
    node.http = network.door(id, node.http).await.unwrap();
    node
}

/// Waits until each of these sees exactly these peers of it and their labels. No node is ever listed
/// twice.
async fn expect(nodes: &[&Node], expected: &[(u64, Value)], within: Duration) {
    for node in nodes {
        let others: Vec<(u64, Value)> = expected
            .iter()
            .filter(|(id, _)| *id != node.id)
            .cloned()
            .collect();
        let what = format!("{others:?}, seen by node {}", node.id);
        until(&what, within, || async {
            let peers = listed_once(node).await;
            if peers == others { Ok(()) } else { Err(peers) }
        })
        .await;
    }
}

async fn listed_once(node: &Node) -> Vec<(u64, Value)> {
    let peers = node.peers().await;
    let ascending = peers.windows(2).all(|pair| pair[0].0 < pair[1].0);
    assert!(ascending, "seen by node {}: {peers:?}", node.id);
    peers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_and_labels_are_right_after_failures_of_a_host() {
    let network = match Network::build(HOSTS) {
        Ok(network) => network,
        Err(refused) => {
            println!("skipped: this machine does not allow network namespaces: {refused}");
            return;
        }
    };
    let directory = tempfile::tempdir().unwrap();
    write_secret(&directory.path().join("keys"), keygen().await).unwrap();
    let network = Arc::new(network);
    let mut starting = JoinSet::new();
    for id in 1..=HOSTS {
        let (network, directory) = (network.clone(), directory.path().to_owned());
        starting.spawn(async move { start(&network, id, &directory).await });
    }
    let mut nodes = starting.join_all().await;
    nodes.sort_by_key(|node| node.id);
    let [one, two, three, four, five] = <[Node; 5]>::try_from(nodes).ok().unwrap();

    // All see each other, and the labels of those that are enabled.
    one.enable(10).await;
    three.enable(30).await;
    let mut expected: Vec<(u64, Value)> = (1..=HOSTS).map(|id| (id, json!({}))).collect();
    expected[0].1 = enabled(10);
    expected[2].1 = enabled(30);
    let all = [&one, &two, &three, &four, &five];
    expect(&all, &expected, MET_WITHIN).await;

    // One is cut off, and both sides change.
    network.plug(HOSTS, false).unwrap();
    let cut = Instant::now();
    five.enable(50).await;
    one.enable(11).await;
    expected[0].1 = enabled(11);
    let rest = [&one, &two, &three, &four];
    expect(&rest, &expected[..4], MISSED_WITHIN).await;
    println!("missed after {:?}", cut.elapsed());
    expect(&[&five], &[], MISSED_WITHIN).await;
    println!("alone after {:?}", cut.elapsed());
    for node in all {
        assert!(node.livez().await, "node {}", node.id);
    }

    // The cut is healed: everybody knows what was changed meanwhile.
    network.plug(HOSTS, true).unwrap();
    let healed = Instant::now();
    expected[4].1 = enabled(50);
    expect(&all, &expected, HEALED_WITHIN).await;
    println!("healed after {:?}", healed.elapsed());

    // One is killed and comes back under a new generation, while the old one is still live to all.
    three.signal(Signal::KILL);
    assert_eq!(three.ended().await, None);
    let killed = Instant::now();
    let three = start(&network, 3, directory.path()).await;
    let all = [&one, &two, &three, &four, &five];
    expect(&all, &expected, MET_WITHIN).await;
    for cores in 31..36 {
        three.enable(cores).await;
        expected[2].1 = enabled(cores);
        expect(&all, &expected, SEEN_WITHIN).await;
    }
    println!("back after {:?}", killed.elapsed());

    // One ends in order, and is missed at once.
    two.signal(Signal::TERM);
    expected.remove(1);
    let told = Instant::now();
    expect(&[&one, &three, &four, &five], &expected, LEFT_WITHIN).await;
    let took = told.elapsed();
    println!("left after {took:?}");
    assert!(took < LEFT_WITHIN, "all together took {took:?}");
    assert_eq!(two.ended().await, Some(0));
}
