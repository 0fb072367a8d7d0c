//! A cluster of agents and of nodes that gossip as ZLayer's do: with chitchat 0.10, under a
//! generation that is always 0, reading all records ever written.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chitchat_0_10::transport::UdpTransport;
use chitchat_0_10::{
    ChitchatConfig, ChitchatHandle, ChitchatId, FailureDetectorConfig, spawn_chitchat,
};
use edge_cache_host::gossip::{GossipConfig, GossipPool, PeerInfo};
use edge_cache_tests::wait::until;
use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::gossip_node::{Node, enabled, expect_labels, expect_peers, metric};
use crate::traffic::{expect_caches, pick};

pub(crate) const CLUSTER: &str = "zlayer-and-agents";
/// Maximum time for new nodes to be live to each other, at an interval of 1 s.
const MET_WITHIN: Duration = Duration::from_secs(30);
/// Maximum time for a change: nodes of ZLayer do not pass it on at once.
const SEEN_WITHIN: Duration = Duration::from_secs(10);
/// Number of attempts to find a free address.
const ATTEMPTS: usize = 20;

/// Node info that ZLayer's nodes publish and read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ZLayerInfo {
    node_id: u64,
    wg_pubkey: String,
    wg_endpoint: SocketAddr,
    overlay_ip: String,
    #[serde(default)]
    labels: HashMap<String, String>,
}

/// A member as a ZLayer node is one.
pub(crate) struct ZLayerNode {
    info: ZLayerInfo,
    pub(crate) address: SocketAddr,
    handle: ChitchatHandle,
}

impl ZLayerNode {
    pub(crate) async fn start(node_id: u64, seeds: &[SocketAddr], labels: Value) -> Self {
        let info = ZLayerInfo {
            node_id,
            wg_pubkey: format!("key of {node_id}"),
            wg_endpoint: SocketAddr::from(([192, 0, 2, 1], 51820)),
            overlay_ip: format!("10.0.0.{node_id}"),
            labels: serde_json::from_value(labels).unwrap(),
        };
        // It advertises the address that it is given, so that can't be port 0.
        for _ in 0..ATTEMPTS {
            let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let address = free.local_addr().unwrap();
            drop(free);
            let first = vec![(key(node_id), encode(&info))];
            let config = config(node_id, address, seeds);
            if let Ok(handle) = spawn_chitchat(config, first, &UdpTransport).await {
                return Self {
                    info,
                    address,
                    handle,
                };
            }
        }
        panic!("no free address in {ATTEMPTS} attempts");
    }

    async fn announce(&mut self, labels: Value) {
        self.info.labels = serde_json::from_value(labels).unwrap();
        let (key, value) = (key(self.info.node_id), encode(&self.info));
        self.handle
            .with_chitchat(|chitchat| chitchat.self_node_state().set(&key, &value))
            .await;
    }

    /// All records of other members, dead ones too, in the order of the members' ids, and with repeats. Values that
    /// are no records are left out.
    async fn all(&self) -> Vec<ZLayerInfo> {
        let read = self.handle.with_chitchat(|chitchat| {
            let own = chitchat.self_chitchat_id();
            chitchat
                .node_states()
                .iter()
                .filter(|(id, _)| *id != own)
                .flat_map(|(_, state)| state.key_values())
                .filter(|(key, _)| key.starts_with("worker:"))
                .filter_map(|(_, value)| {
                    let json = URL_SAFE_NO_PAD.decode(value).unwrap();
                    serde_json::from_slice(&json).ok()
                })
                .collect()
        });
        read.await
    }

    /// Returns the peers as a ZLayer node lists them. Of several records of one node the last one counts.
    async fn peers(&self) -> BTreeMap<u64, ZLayerInfo> {
        let records = self.all().await.into_iter();
        records.map(|info| (info.node_id, info)).collect()
    }

    /// Counts the updates that a ZLayer node reports in this time: it compares each record with the last one of its
    /// node a second before.
    async fn updates(&self, during: Duration) -> Vec<ZLayerInfo> {
        let mut updates = Vec::new();
        let mut last = self.peers().await;
        let end = tokio::time::Instant::now() + during;
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        while tokio::time::Instant::now() < end {
            ticks.tick().await;
            let all = self.all().await;
            updates.extend(
                all.iter()
                    .filter(|info| last.get(&info.node_id) != Some(info))
                    .cloned(),
            );
            last = all.into_iter().map(|info| (info.node_id, info)).collect();
        }
        updates
    }

    async fn expect_gone(&self, of: u64) {
        let what = format!("node {of} left, seen by {}", self.info.node_id);
        until(&what, SEEN_WITHIN, || async {
            let peers = self.peers().await;
            if peers.contains_key(&of) {
                Err(peers)
            } else {
                Ok(())
            }
        })
        .await;
    }

    async fn expect_labels(&self, of: u64, expected: &Value, within: Duration) {
        let what = format!("{expected} of node {of}, seen by {}", self.info.node_id);
        until(&what, within, || async {
            let mut peers = self.peers().await;
            match peers.remove(&of) {
                Some(info) if json!(info.labels) == *expected => {
                    assert_eq!(info.node_id, of);
                    Ok(())
                }
                other => Err(other),
            }
        })
        .await;
    }
}

fn config(node_id: u64, address: SocketAddr, seeds: &[SocketAddr]) -> ChitchatConfig {
    ChitchatConfig {
        chitchat_id: ChitchatId::new(key(node_id), 0, address),
        cluster_id: CLUSTER.to_owned(),
        gossip_interval: Duration::from_secs(1),
        listen_addr: address,
        seed_nodes: seeds.iter().map(SocketAddr::to_string).collect(),
        failure_detector_config: FailureDetectorConfig::default(),
        marked_for_deletion_grace_period: Duration::from_secs(60),
        catchup_callback: None,
        extra_liveness_predicate: None,
    }
}

fn key(node_id: u64) -> String {
    format!("worker:{node_id}")
}

fn encode(info: &ZLayerInfo) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(info).unwrap())
}

async fn agent(id: u64, seed: SocketAddr, data: &str) -> Node {
    let seed = seed.to_string();
    let place = ["--cluster-id", CLUSTER, "--data-dir", data, "--seed", &seed];
    let about = ["--label", "zone=a", "--wg-pubkey", "agent's key"];
    Node::start(id, &[&place[..], &about].concat())
        .await
        .unwrap()
}

async fn pool(id: u64, seed: SocketAddr) -> GossipPool {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut config = GossipConfig::new(PeerInfo::placeholder(id), CLUSTER, any);
    config.seeds = vec![seed.to_string()];
    GossipPool::start(config).await.unwrap()
}

async fn expect_in_pool(pool: &GossipPool, of: u64, expected: &Value) {
    let what = format!("{expected} of node {of}, seen by the pool");
    until(&what, MET_WITHIN, || async {
        let peers = pool.snapshot();
        let labels = peers.iter().find(|info| info.node_id == of);
        match labels.map(|info| json!(info.labels)) {
            Some(labels) if labels == *expected => Ok(()),
            _ => Err(pool.peers()),
        }
    })
    .await;
}

/// The labels of an agent's node with other software's label and those of the component.
fn with_zone(mut labels: Value) -> Value {
    labels["zone"] = json!("a");
    labels
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zlayer_nodes_and_agents_are_one_cluster() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    // Each calls another one first, the agents those of the other kind.
    let mut z11 = ZLayerNode::start(11, &[], json!({"rack": "r1"})).await;
    let one = agent(1, z11.address, data).await;
    let z12 = ZLayerNode::start(12, &[one.gossip], json!({})).await;
    let two = pool(2, z12.address).await;

    // All see each other.
    for (id, labels) in [(11, json!({"rack": "r1"})), (12, json!({}))] {
        expect_labels(&one, id, &labels, MET_WITHIN).await;
        expect_in_pool(&two, id, &labels).await;
    }
    for zlayer in [&z11, &z12] {
        let zone = json!({"zone": "a"});
        zlayer.expect_labels(1, &zone, MET_WITHIN).await;
        zlayer.expect_labels(2, &json!({}), MET_WITHIN).await;
        let peers = zlayer.peers().await;
        assert_eq!(peers[&1].wg_pubkey, "agent's key");
        assert_eq!(peers[&2].wg_endpoint, SocketAddr::from(([0, 0, 0, 0], 0)));
    }
    let seen = two.peers();
    let of_z11 = seen.iter().find(|info| info.node_id == 11).unwrap();
    assert_eq!(of_z11.wg_pubkey, z11.info.wg_pubkey);
    assert_eq!(of_z11.wg_endpoint, z11.info.wg_endpoint);
    assert_eq!(of_z11.overlay_ip, z11.info.overlay_ip);

    // Changes of agents.
    one.enable(4).await;
    let own = BTreeMap::from([("edge_cache".to_owned(), "true".to_owned())]);
    two.publish_labels(own.clone()).unwrap();
    for zlayer in [&z11, &z12] {
        zlayer
            .expect_labels(1, &with_zone(enabled(4)), SEEN_WITHIN)
            .await;
        zlayer.expect_labels(2, &json!(own), SEEN_WITHIN).await;
    }
    one.enable(5).await;
    for zlayer in [&z11, &z12] {
        zlayer
            .expect_labels(1, &with_zone(enabled(5)), SEEN_WITHIN)
            .await;
    }
    one.disable().await;
    two.publish_labels(BTreeMap::new()).unwrap();
    for zlayer in [&z11, &z12] {
        zlayer
            .expect_labels(1, &json!({"zone": "a"}), SEEN_WITHIN)
            .await;
        zlayer.expect_labels(2, &json!({}), SEEN_WITHIN).await;
    }

    // Changes of a ZLayer node.
    for labels in [
        json!({"rack": "r2", "edge_cache": "true"}),
        json!({"rack": "r2"}),
        json!({}),
    ] {
        z11.announce(labels.clone()).await;
        expect_labels(&one, 11, &labels, SEEN_WITHIN).await;
        expect_in_pool(&two, 11, &labels).await;
    }

    // An agent that comes back: its node has two members for a while.
    one.enable(6).await;
    for zlayer in [&z11, &z12] {
        zlayer
            .expect_labels(1, &with_zone(enabled(6)), SEEN_WITHIN)
            .await;
    }
    one.signal(Signal::KILL);
    one.ended().await;
    let one = agent(1, z12.address, data).await;
    one.enable(7).await;
    for zlayer in [&z11, &z12] {
        zlayer
            .expect_labels(1, &with_zone(enabled(7)), SEEN_WITHIN)
            .await;
    }
    expect_in_pool(&two, 1, &with_zone(enabled(7))).await;
    expect_peers(&one, &[2, 11, 12], MET_WITHIN).await;
    let older = with_zone(enabled(6));
    for zlayer in [&z11, &z12] {
        let peers = zlayer.peers().await;
        assert_ne!(json!(peers[&1].labels), older, "the former life is back");
    }

    // Agents that leave: a ZLayer node cannot read their last records, and lists them no longer.
    one.signal(Signal::TERM);
    assert_eq!(one.ended().await, Some(0));
    two.leave().await;
    for zlayer in [&z11, &z12] {
        for id in [1, 2] {
            zlayer.expect_gone(id).await;
        }
    }
}

/// The usual mistake when migrating: the native node still runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_waits_while_a_zlayer_node_has_its_id() {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [first, second] = directories.each_ref().map(|it| it.path().to_str().unwrap());
    let z11 = ZLayerNode::start(11, &[], json!({})).await;
    let native = json!({"rack": "r4"});
    let z4 = ZLayerNode::start(4, &[z11.address], native.clone()).await;
    let one = agent(1, z11.address, first).await;
    expect_labels(&one, 4, &native, MET_WITHIN).await;
    let four = agent(4, z11.address, second).await;
    let said = "another member has this node's id";
    four.log_handle().expect(said, MET_WITHIN).await;
    assert!(
        four.log().contains(&z4.address.to_string()),
        "{}",
        four.log()
    );
    let answer = four.ask(Method::GET, "/health/readyz", None).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    expect_labels(&one, 4, &native, SEEN_WITHIN).await;
    z11.expect_labels(4, &native, SEEN_WITHIN).await;

    z4.handle.shutdown().await.unwrap();
    let own = with_zone(json!({}));
    expect_labels(&one, 4, &own, MET_WITHIN).await;
    z11.expect_labels(4, &own, MET_WITHIN).await;
    let answer = four.ask(Method::GET, "/health/readyz", None).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zlayer_nodes_see_one_life_of_an_agent_and_no_update_without_a_change() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let z11 = ZLayerNode::start(11, &[], json!({})).await;
    // Its record hardly fits a datagram.
    let large = json!({"large": "x".repeat(46_000)});
    let z12 = ZLayerNode::start(12, &[z11.address], large).await;
    let one = agent(1, z12.address, data).await;
    one.enable(4).await;
    for zlayer in [&z11, &z12] {
        zlayer
            .expect_labels(1, &with_zone(enabled(4)), MET_WITHIN)
            .await;
    }
    one.signal(Signal::KILL);
    one.ended().await;
    let one = agent(1, z12.address, data).await;
    one.disable().await;
    for zlayer in [&z11, &z12] {
        let what = format!("one life of node 1, seen by {}", zlayer.info.node_id);
        until(&what, Duration::from_secs(60), || async {
            let all = zlayer.all().await;
            let of_one: Vec<_> = all.iter().filter(|info| info.node_id == 1).collect();
            match of_one[..] {
                [info] if json!(info.labels) == json!({"zone": "a"}) => Ok(()),
                _ => Err(format!("{of_one:?}")),
            }
        })
        .await;
    }
    let quiet = Duration::from_secs(20);
    let (first, second) = tokio::join!(z11.updates(quiet), z12.updates(quiet));
    assert_eq!((first.len(), second.len()), (0, 0), "{first:?}");

    one.signal(Signal::TERM);
    assert_eq!(one.ended().await, Some(0));
    for zlayer in [&z11, &z12] {
        zlayer.expect_gone(1).await;
    }
}

/// A native node of ZLayer serves its share of keys, once the agents know the port of its cache.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zlayer_node_gets_its_share_of_keys_by_the_default_port() {
    const KEYS: usize = 3_000;
    let native = |disk_gib: u64| {
        let mut labels = enabled(4);
        labels["edge_cache_disk_mib"] = json!((disk_gib * 1024).to_string());
        labels
    };
    let z11 = ZLayerNode::start(11, &[], native(200)).await;
    let _z12 = ZLayerNode::start(12, &[z11.address], native(300)).await;
    let seed = z11.address.to_string();
    let traffic = [
        "--cluster-id",
        CLUSTER,
        "--seed",
        &seed,
        "--traffic-listen",
        "127.0.0.1:0",
    ];
    let one = [
        "--cache-address",
        "192.0.2.1:80",
        "--cache-default-port",
        "8080",
    ];
    let one = Node::start(1, &[&traffic[..], &one].concat())
        .await
        .unwrap();
    let two = ["--cache-address", "192.0.2.2:80"];
    let two = Node::start(2, &[&traffic[..], &two].concat())
        .await
        .unwrap();
    expect_peers(&one, &[2, 11, 12], MET_WITHIN).await;
    expect_peers(&two, &[1, 11, 12], MET_WITHIN).await;
    for (id, gib) in [(1, 100), (2, 400)] {
        let capacity = json!({"cpu_cores": 1, "ram_mib": 1, "disk_mib": gib * 1024});
        let path = format!("/api/v1/nodes/{id}/edge-cache");
        let body = json!({ "capacity": capacity });
        until("a change that is taken", MET_WITHIN, || async {
            let answer = one.ask(Method::POST, &path, Some(&body)).await;
            if answer.status == StatusCode::NO_CONTENT {
                Ok(())
            } else {
                Err(answer)
            }
        })
        .await;
    }
    expect_caches(&one, 4).await;
    expect_caches(&two, 2).await;

    let mut keys = BTreeMap::<String, usize>::new();
    for key in 0..KEYS {
        let answer = pick(&one, &format!("/pick/object/{key}"), "").await;
        *keys.entry(answer.hosts()[0].to_string()).or_default() += 1;
    }
    println!("{keys:?}");
    let weights = [
        ("192.0.2.1:80", 100),
        ("192.0.2.2:80", 400),
        ("10.0.0.11:8080", 200),
        ("10.0.0.12:8080", 300),
    ];
    assert_eq!(keys.len(), weights.len(), "{keys:?}");
    for (address, weight) in weights {
        let share = keys[address] as f64 / KEYS as f64;
        let wanted = f64::from(weight) / 1000.0;
        assert!(
            (share - wanted).abs() < 0.03,
            "{address}: {share}, not {wanted}"
        );
    }

    // Without the setting they have no address, which is seen.
    let without = "edge_cache_traffic_nodes_without_address";
    assert_eq!(
        (metric(&one, without).await, metric(&two, without).await),
        (0.0, 2.0)
    );
    assert_eq!(metric(&two, "edge_cache_policy_mismatches").await, 1.0);
    for key in 0..100 {
        let answer = pick(&two, &format!("/pick/object/{key}"), "").await;
        let mut hosts = answer.hosts();
        hosts.sort_unstable();
        assert_eq!(hosts, ["192.0.2.1:80", "192.0.2.2:80"]);
    }
}
