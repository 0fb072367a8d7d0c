//! Members on the simulated network, in virtual time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::harness::{CLUSTER, info};
use crate::{
    ClusterMember, GossipConfig, GossipPool, MemberStatus, Network, PeerInfo, ProcessMemory,
    SimulatedNetwork,
};

/// Virtual time after which a test fails.
const DEADLINE: Duration = Duration::from_secs(300);

/// A network with members at fixed addresses.
pub(super) struct Net {
    pub(super) network: SimulatedNetwork,
}

impl Net {
    pub(super) fn new() -> Self {
        Self {
            network: SimulatedNetwork::new(1),
        }
    }

    /// Settings of a node at the host of its number, with these hosts as seeds.
    pub(super) fn config(&self, node_id: u64, seeds: &[u64]) -> GossipConfig {
        self.config_at(node_id, node_id, seeds)
    }

    pub(super) fn config_at(&self, node_id: u64, host: u64, seeds: &[u64]) -> GossipConfig {
        let labels = [("host", &*host.to_string())];
        let mut config = GossipConfig::new(info(node_id, &labels), CLUSTER, address(host));
        config.network = Network::Simulated(self.network.clone());
        config.seeds = seeds
            .iter()
            .map(|host| address(*host).to_string())
            .collect();
        config.memory = Arc::new(ProcessMemory::default());
        config
    }
}

pub(super) fn address(host: u64) -> SocketAddr {
    ([10, 0, 0, u8::try_from(host).unwrap()], 7_946).into()
}

pub(super) async fn start(config: &GossipConfig) -> GossipPool {
    GossipPool::start(config.clone()).await.unwrap()
}

/// Starts a member and waits until it has joined. Returns it and the time that it took.
pub(super) async fn join(config: &GossipConfig) -> (GossipPool, Duration) {
    let begin = Instant::now();
    let pool = start(config).await;
    timeout(DEADLINE, pool.joined())
        .await
        .expect("nobody waits for ever");
    (pool, begin.elapsed())
}

/// Waits in virtual time until a condition is fulfilled. Returns the time that it took.
pub(super) async fn until(what: &str, condition: impl Fn() -> bool) -> Duration {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < DEADLINE, "{what}: not in time");
        sleep(Duration::from_millis(50)).await;
    }
    begin.elapsed()
}

/// Checks a condition again and again for a while.
pub(super) async fn always(what: &str, time: Duration, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        assert!(condition(), "{what}: not after {:?}", begin.elapsed());
        sleep(Duration::from_millis(100)).await;
    }
}

/// Returns the infos of all live nodes as a pool sees them, its own included.
pub(super) fn table(pool: &GossipPool) -> Vec<PeerInfo> {
    let mut all = pool.peers();
    all.push(PeerInfo::clone(&pool.self_info()));
    all.sort_by_key(|info| info.node_id);
    all
}

pub(super) fn row(pool: &GossipPool, node_id: u64) -> Option<ClusterMember> {
    let members = pool.members().into_iter();
    members.into_iter().find(|member| member.node_id == node_id)
}

pub(super) fn status(pool: &GossipPool, node_id: u64) -> Option<MemberStatus> {
    row(pool, node_id).map(|member| member.status)
}

pub(super) fn troubles(pool: &GossipPool) -> Vec<&'static str> {
    let troubles = pool.troubles();
    troubles.iter().map(crate::Trouble::kind).collect()
}

pub(super) fn is_ready(pool: &GossipPool) -> bool {
    !pool.troubles().iter().any(crate::Trouble::is_blocking)
}
