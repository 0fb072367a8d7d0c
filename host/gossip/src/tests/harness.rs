//! Starts members, and waits for conditions instead of for time.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chitchat::transport::{Socket, UdpSocket};
use chitchat::{ChitchatHandle, ChitchatId, spawn_chitchat};
use tokio::time::{interval, timeout};
use tracing::subscriber::DefaultGuard;

use crate::transport::BoundTransport;
use crate::{GossipConfig, GossipPool, PeerInfo, Peers, TopologyEvent, TopologyEvents};

/// Time after which a test fails. Far above any expected wait.
const DEADLINE: Duration = Duration::from_secs(60);

pub(super) const CLUSTER: &str = "test";

pub(super) fn loopback() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// Settings for a fast member with these seeds.
pub(super) fn config(node_id: u64, seeds: &[&GossipPool]) -> GossipConfig {
    let info = PeerInfo::placeholder(node_id);
    let mut config = GossipConfig::new(info, CLUSTER, loopback());
    config.interval = Duration::from_millis(50);
    config.seeds = seeds
        .iter()
        .map(|seed| seed.advertise_addr().to_string())
        .collect();
    config
}

pub(super) async fn start(node_id: u64, seeds: &[&GossipPool]) -> GossipPool {
    GossipPool::start(config(node_id, seeds)).await.unwrap()
}

/// Starts a member of other software: a plain chitchat member with any keys and values.
pub(super) async fn stranger(
    name: &str,
    generation: u64,
    key_values: &[(&str, &str)],
    seed: &GossipPool,
) -> ChitchatHandle {
    let socket = UdpSocket::open(loopback()).await.unwrap();
    let id = ChitchatId::new(name, generation, socket.local_addr().unwrap());
    let key_values = key_values
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let transport = BoundTransport::new(Box::new(socket));
    spawn_chitchat(config(0, &[seed]).chitchat(id), key_values, &transport)
        .await
        .unwrap()
}

pub(super) fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

pub(super) fn info(node_id: u64, pairs: &[(&str, &str)]) -> PeerInfo {
    PeerInfo {
        labels: labels(pairs),
        ..PeerInfo::placeholder(node_id)
    }
}

pub(super) fn node_ids(peers: &Peers) -> Vec<u64> {
    peers.iter().map(|info| info.node_id).collect()
}

/// The log of the tasks on this thread.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Collects lines until the guard is dropped.
    pub(super) fn collect(&self) -> DefaultGuard {
        let log = self.clone();
        let lines = tracing_subscriber::fmt().with_ansi(false);
        tracing::subscriber::set_default(lines.with_writer(move || log.clone()).finish())
    }

    /// Returns the number of lines with this text.
    pub(super) fn count(&self, text: &str) -> usize {
        let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        log.lines().filter(|line| line.contains(text)).count()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits until the peers of a pool fulfil a condition.
pub(super) async fn peers_when(pool: &GossipPool, condition: impl Fn(&Peers) -> bool) {
    let mut events = pool.subscribe();
    while !condition(events.snapshot()) {
        next(&mut events).await;
    }
}

/// Waits for the next event.
pub(super) async fn next(events: &mut TopologyEvents) -> TopologyEvent {
    in_time(events.next()).await.expect("the pool runs")
}

/// Polls a condition until it is fulfilled.
pub(super) async fn eventually(condition: impl Fn() -> bool) {
    in_time(async {
        let mut looks = interval(Duration::from_millis(5));
        while !condition() {
            looks.tick().await;
        }
    })
    .await;
}

pub(super) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future)
        .await
        .expect("it happens within the deadline")
}
