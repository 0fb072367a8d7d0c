//! Clusters of agents inside the test's process: registries on real components that gossip over UDP on
//! loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use edge_cache_host::gossip::{GossipConfig, GossipPool, PeerInfo};
use edge_cache_host::sandbox::{Plugin, WallClock};
use edge_cache_host::{
    CacheAddressRules, EdgeCacheRegistry, LoopbackRule, NodeCapacity, NodeId, Store, TrafficConfig,
};

use crate::wait::until;

/// Maximum time that a member is given to hear of the others.
const JOINED_WITHIN: Duration = Duration::from_secs(15);

/// An agent without its process.
#[derive(Debug)]
pub struct Member {
    /// Registry of the member.
    pub registry: EdgeCacheRegistry,
    /// Gossip pool of the member.
    pub pool: GossipPool,
}

/// Settings of a member.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Gossip settings.
    pub gossip: GossipConfig,
    /// Wall clock of the member.
    pub clock: WallClock,
    /// Store of the registry.
    pub store: Option<Store>,
}

impl Settings {
    /// A member that gossips five times a second and asks `seeds` first.
    #[must_use]
    pub fn new(node_id: NodeId, seeds: &[&Member]) -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut gossip = GossipConfig::new(PeerInfo::placeholder(node_id), "cluster", listen);
        gossip.interval = Duration::from_millis(200);
        gossip.seeds = seeds
            .iter()
            .map(|seed| seed.pool.advertise_addr().to_string())
            .collect();
        Self {
            gossip,
            clock: WallClock::default(),
            store: None,
        }
    }
}

impl Member {
    /// Starts a member.
    ///
    /// # Errors
    ///
    /// Any error of the start.
    pub async fn start(plugin: Plugin, settings: Settings) -> Result<Self> {
        let mut gossip = settings.gossip;
        gossip.policy = Some(plugin.policy());
        let pool = GossipPool::start(gossip).await?;
        // All members are on this machine.
        let traffic = TrafficConfig {
            addresses: CacheAddressRules {
                loopback: LoopbackRule::Accept,
                ..CacheAddressRules::default()
            },
            ..TrafficConfig::default()
        };
        let mut builder = EdgeCacheRegistry::builder(plugin)
            .traffic(traffic)
            .clock(settings.clock)
            .gossip(pool.clone());
        if let Some(store) = settings.store {
            builder = builder.store(store);
        }
        let registry = builder.start().await?;
        // Changes are refused before. Without a seed that answers this ends with the join timeout.
        until_it_may_decide(&registry, &pool, JOINED_WITHIN).await;
        Ok(Self { registry, pool })
    }

    /// Ends without a word to the others.
    pub async fn crash(self) {
        self.pool.shutdown().await;
        self.registry.shutdown().await;
    }

    /// The nodes that it lists, with their disk.
    #[must_use]
    pub fn listed(&self) -> Vec<(NodeId, u64)> {
        let nodes = self.registry.list_eligible();
        nodes
            .iter()
            .map(|node| (node.node_id, node.capacity.disk_mib))
            .collect()
    }

    /// A label of a node as this member sees it.
    #[must_use]
    pub fn label(&self, of: NodeId, key: &str) -> Option<String> {
        if of == self.pool.node_id() {
            return self.pool.self_info().labels.get(key).cloned();
        }
        self.pool.snapshot().get(of)?.labels.get(key).cloned()
    }
}

/// Returns a capacity that its disk distinguishes from others.
#[must_use]
pub fn disk(disk_mib: u64) -> NodeCapacity {
    NodeCapacity {
        cpu_cores: 4,
        ram_mib: 8_192,
        disk_mib,
        geo: None,
    }
}

/// Waits until an agent has merged the decisions that it heard while it joined.
///
/// # Panics
///
/// If it takes longer than `within`.
pub async fn until_it_may_decide(
    registry: &EdgeCacheRegistry,
    pool: &GossipPool,
    within: Duration,
) {
    until("the right to decide", within, || async {
        if registry.may_decide() {
            Ok(())
        } else {
            Err((pool.join_state(), pool.pending_decisions()))
        }
    })
    .await;
}
