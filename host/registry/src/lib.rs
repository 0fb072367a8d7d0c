//! Hosts an edge-cache registry: a WebAssembly component that decides which nodes of a cluster may serve
//! as edge caches, and which labels its node shows for it.
//!
//! The component decides, the host remembers: in a durable store, and in a view that serves every read by
//! one atomic load. So a component that hangs, fails or is replaced never loses an entry and never stops a
//! read.
//!
//! # Layout
//!
//! - [`EdgeCacheRegistry`] is what an embedder holds: reads on the view, changes through one writer.
//! - [`sandbox`] runs a component in wasmtime, with every limit of [`Limits`] on.
//! - [`Store`] keeps the state durable; it alone knows redb.
//! - [`gossip`] carries labels between nodes; it alone knows chitchat.
//! - [`routing`] says which nodes serve a key; it knows nothing of the rest.
//! - [`labels`] says which labels a component may set.
//!
//! # Example
//!
//! A registry on its own and in memory:
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
//!     println!("node {} gives {} MiB", node.node_id, node.capacity.disk_mib);
//! }
//! # Ok(())
//! # }
//! ```

// Guest data reaches most of this crate: what could overflow says what then.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod advertiser;
mod builder;
mod collector;
mod decisions;
mod entries;
mod error;
mod events;
mod metrics;
mod placement;
mod registry;
mod snapshot;
mod standalone;
mod state;
mod status;
mod store;
mod supervisor;
mod swap;
mod timer;
mod view;
mod writer;

pub use edge_cache_core::decision::{Decision, DecisionCounts, EffectiveDecision, Op, Timestamp};
pub use edge_cache_core::{
    Change, EdgeCacheError, EdgeCacheNode, EdgeCacheStats, Entry, GEO_BYTES_MAX, LabelLimits,
    Limits, NodeCapacity, NodeId, labels,
};
pub use edge_cache_gossip as gossip;
pub use edge_cache_routing as routing;
pub use edge_cache_sandbox as sandbox;

pub use builder::Builder;
pub use edge_cache_core::labels::{PEER_LABEL_BYTES_MAX, PEER_LABELS_MAX};
pub use edge_cache_routing::Candidate;
pub use error::{StartError, SwapError};
pub use events::{RegistryEvent, RegistryEvents};
pub use metrics::{RegistryMetrics, RoutingMetrics};
pub use placement::RoutingStatus;
pub use registry::EdgeCacheRegistry;
pub use snapshot::{NodeState, Snapshot};
pub use status::{PluginState, Status};
pub use store::{Identity, Store, StoreError};
pub use view::EligibleNodes;
