//! The interface of ZLayer's native registry, over the reference plugin in its sandbox.
//!
//! A program that uses `zlayer_overlay::edge_cache` changes its `use` line, and nothing else:
//!
//! ```
//! // use zlayer_overlay::edge_cache::{EdgeCacheError, EdgeCacheRegistry, NodeCapacity};
//! use edge_cache_host::zlayer::edge_cache::{EdgeCacheError, EdgeCacheRegistry, NodeCapacity};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), EdgeCacheError> {
//! # if edge_cache_reference::PLUGIN.is_none() { return Ok(()); }
//! let registry = EdgeCacheRegistry::new();
//! let capacity = NodeCapacity {
//!     cpu_cores: 8,
//!     ram_mib: 16_384,
//!     disk_mib: 512_000,
//!     geo: Some("eu-central-1".to_string()),
//! };
//! registry.enable(7, capacity).await?;
//! assert!(registry.is_enabled(7).await);
//! match registry.disable(8).await {
//!     Err(EdgeCacheError::NodeNotFound(node_id)) => assert_eq!(node_id, 8),
//!     Err(EdgeCacheError::Gossip(reason)) => println!("{reason}"),
//!     Ok(()) => println!("node 8 is disabled"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The module [`edge_cache`] has the types, and says what differs from the native registry. A registry with gossip needs
//! a pool that is [`AnnounceSelf`]: the one of this crate, or ZLayer's own in a few lines.
//!
//! # How it works
//!
//! The plugin decides and the host remembers, as in [`EdgeCacheRegistry`](crate::EdgeCacheRegistry): reads never reach
//! the plugin, and an instance that fails is replaced by one that has loaded the remembered entries. All registries of a
//! process share the compiled plugin and one thread, which starts with the first of them. Each has an instance of its own,
//! from its first change until its last clone is dropped.
//!
//! The other registry of this crate does not serve here. It starts asynchronously and with a thread of its own, has a
//! writer that waits for its store and its plugin, and with gossip takes part in the decisions of the whole cluster. The
//! native registry starts at once and anywhere, and keeps to its process.

mod announce;
pub mod edge_cache;
mod kept;
mod thread;

pub use announce::{AnnounceError, AnnounceSelf};
