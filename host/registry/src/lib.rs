//! The registry of edge caches for a node agent.
//!
//! A registry says which nodes of a cluster may serve as edge caches. A sandboxed WebAssembly plugin decides about every
//! change and which labels its node advertises. The host remembers every result: in a durable store, and in a view that
//! serves all reads. So a plugin that hangs, fails or is replaced loses no entry and stops no read.
//!
//! # Layout
//!
//! - [`EdgeCacheRegistry`] is the handle that an embedder holds; [`Builder`] starts it.
//! - [`Store`] keeps the state durable.
//! - [`sandbox`] loads plugins and runs them in wasmtime, within [`Limits`].
//! - [`gossip`] carries labels and decisions between nodes, over chitchat; gossip of an embedder's own carries labels as
//!   an [`Advertiser`].
//! - [`routing`] computes the nodes that serve a key.
//! - [`labels`] has the rules for labels of plugins.
//!
//! With the feature `zlayer`, the module `zlayer` has the interface of ZLayer's native registry.
//!
//! Inside, `writer` is the only thread that changes anything, `decisions` synchronises with other agents, and
//! `placement` keeps the routing table. No part knows HTTP or the command line.
//!
//! # Example
//!
//! A registry without a cluster, in memory:
//!
//! ```no_run
//! use edge_cache_host::sandbox::{Plugin, PluginConfig};
//! use edge_cache_host::{EdgeCacheRegistry, NodeCapacity};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let plugin = Plugin::from_file("registry.wasm".as_ref(), PluginConfig::default())?;
//! let registry = EdgeCacheRegistry::builder(plugin).start().await?;
//! let capacity = NodeCapacity {
//!     cpu_cores: 8,
//!     ram_mib: 16_384,
//!     disk_mib: 512_000,
//!     geo: Some("eu-central-1".to_string()),
//! };
//! registry.enable(7, capacity).await?;
//! assert!(registry.is_enabled(7));
//! for node in registry.list_eligible().iter() {
//!     println!("node {} offers {} MiB", node.node_id, node.capacity.disk_mib);
//! }
//! # Ok(())
//! # }
//! ```

// Data of plugins reaches most of this crate, so arithmetic states its overflow behaviour.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod advertiser;
mod audit;
mod builder;
mod collector;
mod decisions;
mod entries;
mod error;
mod events;
#[cfg(test)]
mod fixtures;
mod gate;
mod metrics;
mod placement;
mod registry;
mod snapshot;
mod state;
mod store;
mod supervisor;
mod swap;
mod traffic;
mod view;
mod writer;
#[cfg(feature = "zlayer")]
pub mod zlayer;

pub use self::audit::AUDIT_TARGET;
pub use edge_cache_core::cache_address::{
    CACHE_ADDRESS_LABEL, CacheAddress, CacheAddressError, CacheAddressRules, CacheAddresses,
    LoopbackRule,
};
pub use edge_cache_core::decision::{Decision, Op, Timestamp};
pub use edge_cache_core::effective::{DecisionCounts, EffectiveDecision, SetAside};
pub use edge_cache_core::{
    Change, EdgeCacheError, EdgeCacheNode, EdgeCacheStats, Entry, GEO_BYTES_MAX, LabelLimits,
    Limits, NodeCapacity, NodeId, PluginState, SOURCE_NAME_BYTES_MAX, SOURCES_MAX, SourceId,
    SourceName, SourceNameError, labels,
};
pub use edge_cache_gossip as gossip;
pub use edge_cache_routing as routing;
pub use edge_cache_sandbox as sandbox;

pub use advertiser::{Advertiser, LiveNodes};
pub use async_trait::async_trait;
pub use builder::Builder;
pub use edge_cache_core::labels::{PEER_LABEL_BYTES_MAX, PEER_LABELS_MAX};
pub use edge_cache_routing::Candidate;
pub use error::{StartError, SwapError};
pub use events::{RegistryEvent, RegistryEvents};
pub use gate::CacheHealth;
pub use metrics::{RegistryMetrics, RoutingMetrics};
pub use placement::RoutingStatus;
pub use registry::EdgeCacheRegistry;
pub use snapshot::{ListedNode, NodeState, Snapshot};
pub use store::{
    Identity, SnapshotError, SnapshotOrigin, SnapshotPlugin, Store, StoreError, StoreSnapshot,
};
pub use traffic::{Cache, Traffic, TrafficConfig, TrafficTable};
pub use view::{EligibleNodes, Status};
