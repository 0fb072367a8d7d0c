//! A registry whose node can be looked at from outside: a gossip member without others.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use edge_cache_host::gossip::{GossipConfig, GossipPool, PeerInfo};
use edge_cache_host::labels::Labels;
use edge_cache_host::sandbox::Plugin;
use edge_cache_host::{Builder, EdgeCacheRegistry, Entry, NodeCapacity, NodeId, Store};

/// The node's own number.
pub const OWN: NodeId = 1;

/// The node with its registry, and what it shows to others.
#[derive(Debug)]
pub struct ClusterOfOne {
    /// The registry.
    pub registry: EdgeCacheRegistry,
    /// Labels as the others would see them.
    pub pool: GossipPool,
}

/// All that a refused change must leave as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Entries of the registry, counters included.
    pub entries: Vec<Entry>,
    /// Labels that the node publishes.
    pub labels: Labels,
}

impl ClusterOfOne {
    /// Starts node [`OWN`], on which other software has set `foreign`.
    ///
    /// # Errors
    ///
    /// Any error of the start.
    pub async fn start(plugin: Plugin, foreign: Labels) -> Result<Self> {
        Self::put_together(EdgeCacheRegistry::builder(plugin), foreign).await
    }

    /// Starts the registry with a store.
    ///
    /// # Errors
    ///
    /// Any error of the start.
    pub async fn start_on(plugin: Plugin, foreign: Labels, store: Store) -> Result<Self> {
        Self::put_together(EdgeCacheRegistry::builder(plugin).store(store), foreign).await
    }

    async fn put_together(builder: Builder, foreign: Labels) -> Result<Self> {
        let info = PeerInfo {
            labels: foreign,
            ..PeerInfo::placeholder(OWN)
        };
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let pool = GossipPool::start(GossipConfig::new(info, "one", listen)).await?;
        let registry = builder.gossip(pool.clone()).start().await?;
        Ok(Self { registry, pool })
    }

    /// Returns the current state.
    ///
    /// # Errors
    ///
    /// If the node no longer takes part in gossip.
    pub async fn shown(&self) -> Result<Shown> {
        Ok(Shown {
            entries: entries(&self.registry),
            labels: self.labels().await?,
        })
    }

    /// The labels that the node shows, once all that were announced are.
    ///
    /// # Errors
    ///
    /// If the node no longer takes part in gossip.
    pub async fn labels(&self) -> Result<Labels> {
        self.pool.published().await?;
        Ok(self.pool.self_info().labels.clone())
    }
}

/// Everything that a registry holds.
pub fn entries(registry: &EdgeCacheRegistry) -> Vec<Entry> {
    registry
        .list_eligible()
        .iter()
        .filter_map(|node| registry.entry(node.node_id))
        .collect()
}

/// A capacity without a geo, and so with four labels.
pub fn capacity() -> NodeCapacity {
    NodeCapacity {
        cpu_cores: 8,
        ram_mib: 16_384,
        disk_mib: 102_400,
        geo: None,
    }
}

/// A capacity with a geo, and so with five labels.
pub fn capacity_in(geo: &str) -> NodeCapacity {
    NodeCapacity {
        geo: Some(geo.to_string()),
        ..capacity()
    }
}

/// Labels from their keys and values.
pub fn labels<const N: usize>(labels: [(&str, &str); N]) -> Labels {
    labels
        .into_iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}
