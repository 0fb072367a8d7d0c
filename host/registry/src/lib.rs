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
//! - [`conformance`] says whether a registry keeps the contract.
//! - [`labels`] says which labels a component may set.
//! - `agent`, behind the feature of that name, is the node agent; its `http` alone knows axum.
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

mod advertise;
mod placement;
mod registry;
mod store;
mod supervisor;
mod timer;

pub use edge_cache_core::decision::{Decision, Decisions, Op, Stamp, Standing};
pub use edge_cache_core::histogram::{Histogram, HistogramCounters};
pub use edge_cache_core::{
    Change, EdgeCacheError, EdgeCacheNode, EdgeCacheStats, Entry, GEO_BYTES_MAX, LabelLimits,
    Limits, NodeCapacity, NodeId, labels,
};
pub use edge_cache_gossip as gossip;
pub use edge_cache_routing as routing;
pub use edge_cache_sandbox as sandbox;

pub use edge_cache_core::labels::{PEER_LABEL_BYTES_MAX, PEER_LABELS_MAX};
pub use edge_cache_routing::Candidate;
pub use placement::RoutingStatus;
pub use registry::{
    Activity, Builder, EdgeCacheRegistry, EligibleNodes, NodeState, PluginState, RegistryEvent,
    RegistryEvents, Snapshot, StartError, Status, SwapError,
};
pub use store::{Identity, Store, StoreError};
