//! Clusters of real members: each datagram is checked in transit.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chitchat::transport::{Socket, Transport, UdpSocket as ChitchatSocket};
use chitchat::{
    ChitchatConfig, ChitchatHandle, ChitchatId, FailureDetectorConfig, ProtocolVersion,
    spawn_chitchat,
};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::super::MessageValidator;
use super::super::protocol::MessageKind;
use super::wire::{self, Op};
use super::{CLUSTER, PEER, own, states};
use crate::drop_reason::DropReason;

pub(super) const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const DEADLINE: Duration = Duration::from_secs(60);

/// A message in two steps, so that its content can be changed between them.
pub(super) struct Sample {
    /// Uncompressed content.
    pub(super) plain: Vec<u8>,
    pub(super) pack: fn(&[u8]) -> Vec<u8>,
}

/// Returns a message of each kind.
pub(super) fn samples() -> Vec<Sample> {
    let (other, third) = (wire::member(2), wire::member(3));
    let ops = wire::ops_bytes(&[
        Op::Member(&other, 0, 0),
        Op::Set("worker:2", "value", 1, 0),
        Op::Set("k\u{e9}y", "", 2, 1),
        Op::Member(&third, 9, 0),
        Op::MaxVersion(12),
        Op::Member(&own(), 0, 0),
    ]);
    let digest = wire::digest(0, &wire::entries(1..6));
    vec![
        Sample {
            plain: wire::syn(0, &wire::entries(1..6), CLUSTER),
            pack: <[u8]>::to_vec,
        },
        Sample {
            plain: digest[2..].to_vec(),
            pack: |plain| {
                let mut message = vec![0x53, 0xb0, 1, 0];
                message.extend(wire::stream(plain));
                message.extend([1, 0, b'c']);
                message
            },
        },
        Sample {
            plain: digest,
            pack: |plain| {
                let mut message = vec![0x53, 0xb0, 0, 1];
                message.extend_from_slice(plain);
                message.push(0);
                message
            },
        },
        Sample {
            plain: ops[..ops.len() - 40].to_vec(),
            pack: wire::ack_of,
        },
        Sample {
            plain: ops,
            pack: wire::ack_of,
        },
    ]
}

/// UDP on a port chosen by the system, independent of chitchat's configuration.
#[derive(Default)]
pub(super) struct AnyPort {
    bound: OnceLock<SocketAddr>,
}

impl AnyPort {
    pub(super) fn bound(&self) -> SocketAddr {
        *self.bound.get().expect("chitchat has no socket yet")
    }
}

#[async_trait]
impl Transport for AnyPort {
    async fn open(&self, _listen: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        let socket = ChitchatSocket::open(LOOPBACK).await?;
        self.bound.set(socket.local_addr()?).unwrap();
        Ok(Box::new(socket))
    }
}

pub(super) fn config(id: &ChitchatId, version: ProtocolVersion) -> ChitchatConfig {
    ChitchatConfig {
        chitchat_id: id.clone(),
        cluster_id: CLUSTER.to_owned(),
        gossip_interval: Duration::from_millis(50),
        listen_addr: id.gossip_advertise_addr,
        seed_nodes: Vec::new(),
        failure_detector_config: FailureDetectorConfig::default(),
        marked_for_deletion_grace_period: Duration::from_secs(3600),
        catchup_callback: None,
        extra_liveness_predicate: None,
        protocol_version: version,
    }
}

/// Datagrams seen by the network between the members.
#[derive(Default)]
struct Seen {
    kinds: BTreeMap<String, u64>,
    versions: [u64; 2],
    echoes: u64,
    largest: usize,
    refused: Vec<(DropReason, Vec<u8>)>,
}

/// A relay between the members: each member advertises a socket of the relay. Each datagram is checked
/// by the validators of its sender and its receiver.
struct Network {
    relays: Vec<UdpSocket>,
    /// Socket address of each member, once it has started.
    members: Vec<OnceLock<SocketAddr>>,
    checks: Vec<Mutex<MessageValidator>>,
    seen: Mutex<Seen>,
}

impl Network {
    async fn run(self: Arc<Self>, to: usize) {
        let mut buffer = vec![0; 65_507];
        loop {
            let Ok((size, from)) = self.relays[to].recv_from(&mut buffer).await else {
                continue;
            };
            let plain = &buffer[..size];
            let is_sender = |member: &OnceLock<_>| member.get() == Some(&from);
            let (Some(from), Some(address)) = (
                self.members.iter().position(is_sender),
                self.members[to].get(),
            ) else {
                // The sender or receiver has not started yet.
                continue;
            };
            let sent = self.checks[from].lock().unwrap().sent(PEER, plain);
            let checked = self.checks[to].lock().unwrap().check(PEER, plain);
            self.see(plain, sent, checked);
            let _ = self.relays[from].send_to(plain, *address).await;
        }
    }

    fn see(
        &self,
        plain: &[u8],
        sent: Result<MessageKind, DropReason>,
        checked: Result<MessageKind, DropReason>,
    ) {
        let mut seen = self.seen.lock().unwrap();
        seen.largest = seen.largest.max(plain.len());
        seen.versions[usize::from(plain[2])] += 1;
        for result in [sent, checked] {
            match result {
                Ok(kind) => *seen.kinds.entry(format!("{kind:?}")).or_default() += 1,
                // A peer answers an old message of this member.
                Err(DropReason::EchoesSelf) => seen.echoes += 1,
                Err(reason) => seen.refused.push((reason, plain.to_vec())),
            }
        }
    }
}

struct Cluster {
    network: Arc<Network>,
    handles: Vec<ChitchatHandle>,
    _relays: JoinSet<()>,
}

impl Cluster {
    /// Starts members, with the protocol versions in turn.
    async fn start(members: usize, versions: &[ProtocolVersion]) -> Self {
        let mut relays = Vec::new();
        let mut ids = Vec::new();
        for number in 0..members {
            let relay = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let advertised = relay.local_addr().unwrap();
            ids.push(ChitchatId::new(format!("worker:{number}"), 1, advertised));
            relays.push(relay);
        }
        let version = |number: usize| versions[number % versions.len()];
        let checks = ids.iter().enumerate();
        let network = Arc::new(Network {
            relays,
            checks: checks
                .map(|(number, id)| {
                    Mutex::new(MessageValidator::new(
                        id,
                        CLUSTER,
                        version(number),
                        states(),
                    ))
                })
                .collect(),
            members: vec![OnceLock::new(); members],
            seen: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        for place in 0..members {
            tasks.spawn(Arc::clone(&network).run(place));
        }
        let mut handles = Vec::new();
        for (number, id) in ids.iter().enumerate() {
            let mut config = config(id, version(number));
            // Some hundred rounds per second in all, for any number of members.
            let interval_ms = u64::try_from(10 * members).unwrap();
            config.gossip_interval = Duration::from_millis(interval_ms);
            config.seed_nodes = vec![ids[0].gossip_advertise_addr.to_string()];
            // Short, so that deleted keys are collected and states are reset.
            config.marked_for_deletion_grace_period = Duration::from_secs(2);
            let first = vec![(format!("worker:{number}"), "first".to_owned())];
            let transport = AnyPort::default();
            handles.push(spawn_chitchat(config, first, &transport).await.unwrap());
            network.members[number].set(transport.bound()).unwrap();
        }
        Self {
            network,
            handles,
            _relays: tasks,
        }
    }

    /// Makes a different change at every member.
    async fn change(&self, round: usize, rng: &mut fastrand::Rng) {
        for (number, handle) in self.handles.iter().enumerate() {
            let chitchat = handle.chitchat();
            let mut chitchat = chitchat.lock().await;
            let state = chitchat.self_node_state();
            match (round + number) % 6 {
                0 => state.set(format!("key:{round}"), text(rng, 400)),
                1 => (0..30).for_each(|key| state.set(format!("many:{key}"), text(rng, 20))),
                2 => state.delete(&format!("many:{}", rng.usize(0..30))),
                3 => state.set_with_ttl(format!("ttl:{round}"), "soon gone"),
                4 => state.delete_after_ttl(&format!("many:{}", rng.usize(0..30))),
                _ => state.set("\u{7f}k\u{e9}y", text(rng, 40)),
            }
            // The value fills a message: a large cluster would take minutes to replicate it.
            if self.handles.len() < 4 {
                state.set("big", text(rng, 59_990));
            } else if number % 8 == 0 {
                state.set("middling", text(rng, 3_000));
            }
        }
    }

    /// Waits until all members have the newest state of all.
    async fn agree(&self) {
        let deadline = Instant::now() + DEADLINE;
        for (number, handle) in self.handles.iter().enumerate() {
            let chitchat = handle.chitchat();
            let mut chitchat = chitchat.lock().await;
            let state = chitchat.self_node_state();
            state.set(format!("worker:{number}"), "last");
        }
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        for handle in &self.handles {
            loop {
                let chitchat = handle.chitchat();
                let informed = chitchat
                    .lock()
                    .await
                    .node_states()
                    .values()
                    .filter(|state| state.get(&state.chitchat_id().node_id) == Some("last"))
                    .count();
                if informed == self.handles.len() {
                    break;
                }
                assert!(Instant::now() < deadline, "{informed} informed");
                ticks.tick().await;
            }
        }
    }

    async fn wait_for_datagrams(&self, count: u64) {
        let deadline = Instant::now() + DEADLINE;
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let seen = || {
            self.network
                .seen
                .lock()
                .unwrap()
                .versions
                .iter()
                .sum::<u64>()
        };
        while seen() < count {
            assert!(Instant::now() < deadline, "{} datagrams", seen());
            ticks.tick().await;
        }
    }
}

fn text(rng: &mut fastrand::Rng, bytes: usize) -> String {
    std::iter::repeat_with(|| rng.alphanumeric())
        .take(bytes)
        .collect()
}

/// Runs a cluster, and fails if any of its datagrams is rejected.
async fn run_cluster(members: usize, versions: &[ProtocolVersion]) -> Arc<Network> {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let cluster = Cluster::start(members, versions).await;
    for round in 0..6 {
        cluster.change(round, &mut rng).await;
        let enough = u64::try_from(members * 8 * (round + 1)).unwrap();
        cluster.wait_for_datagrams(enough).await;
    }
    cluster.agree().await;
    for handle in cluster.handles {
        handle.shutdown().await.expect("chitchat has failed");
    }
    let seen = cluster.network.seen.lock().unwrap();
    println!(
        "{:?}, versions {:?}, {} echoes, largest {}",
        seen.kinds, seen.versions, seen.echoes, seen.largest
    );
    for (reason, message) in &seen.refused {
        println!("{reason:?}: {message:02x?}");
    }
    assert!(seen.refused.is_empty(), "{} refused", seen.refused.len());
    assert!(seen.kinds.len() == 3, "{:?}", seen.kinds);
    drop(seen);
    cluster.network
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_real_members_write_passes() {
    run_cluster(52, &[ProtocolVersion::V0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_values_pass() {
    let network = run_cluster(3, &[ProtocolVersion::V0]).await;
    assert!(network.seen.lock().unwrap().largest > 40_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_real_members_compress_passes() {
    let network = run_cluster(24, &[ProtocolVersion::V1]).await;
    assert_eq!(network.seen.lock().unwrap().versions[0], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_mixed_members_write_passes() {
    let network = run_cluster(16, &[ProtocolVersion::V0, ProtocolVersion::V1]).await;
    let versions = network.seen.lock().unwrap().versions;
    assert!(versions.iter().all(|count| *count > 100), "{versions:?}");
}
