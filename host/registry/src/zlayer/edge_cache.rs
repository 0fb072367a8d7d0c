//! The types of `zlayer_overlay::edge_cache`, by the same names.
//!
//! # What differs from the native registry
//!
//! - Labels are announced of the own node alone, the one in `self_info`. The native registry announces those of whatever
//!   node was enabled last as the own ones, so that peers send this node the traffic of another.
//! - Some changes are refused, with [`EdgeCacheError::Gossip`] and the reason: a capacity of zeros, a geo that is empty,
//!   longer than 64 bytes or not printable, more than 20,000 nodes, and labels that `self_info` has already or that are
//!   too many or too large. A plugin that fails is such a reason too. After a refusal nothing has changed.
//! - After an announcement that failed, or whose future was dropped, the next change of any node announces again.
//! - [`EdgeCacheNode::enabled_at`] is in whole milliseconds, and [`list_eligible`](EdgeCacheRegistry::list_eligible)
//!   is in ascending order of node id.
//! - [`EdgeCacheError`] has no conversion from ZLayer's `OverlayError`, and [`NodeCapacity`], [`EdgeCacheNode`] and
//!   [`EdgeCacheStats`] implement more traits.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use super::announce::{AnnounceSelf, Announcer};
use super::kept::{Kept, Request};
use super::thread;
pub use edge_cache_core::{EdgeCacheNode, EdgeCacheStats, NodeCapacity};
use edge_cache_gossip::PeerInfo;

/// The error of a change.
#[derive(Debug, Error)]
pub enum EdgeCacheError {
    /// The labels could not be announced, or the change was refused, with this reason. Only in the first case the
    /// change stands.
    #[error("gossip label push failed: {0}")]
    Gossip(String),
    /// The node is not registered.
    #[error("node {0} is not registered as edge-cache eligible")]
    NodeNotFound(u64),
}

impl From<edge_cache_core::EdgeCacheError> for EdgeCacheError {
    fn from(error: edge_cache_core::EdgeCacheError) -> Self {
        match error {
            edge_cache_core::EdgeCacheError::NodeNotFound(node_id) => Self::NodeNotFound(node_id),
            edge_cache_core::EdgeCacheError::Gossip(reason) => Self::Gossip(reason),
            // The text of agents names a setting.
            edge_cache_core::EdgeCacheError::Full { limit } => Self::Gossip(format!(
                "the registry is full: {limit} nodes are enabled; disable one first"
            )),
            other => Self::Gossip(other.to_string()),
        }
    }
}

/// The nodes that are eligible as edge caches, in this process. Clones share them.
///
/// Making one takes no time, needs no async runtime and cannot fail. The functions run on any runtime. A change waits for
/// the plugin, which runs on one thread for all registries; reads wait for nothing.
#[derive(Clone)]
pub struct EdgeCacheRegistry {
    kept: Arc<Kept>,
    announcer: Option<Arc<Announcer>>,
}

impl EdgeCacheRegistry {
    /// Creates a registry that announces nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::start(Kept::new(None), None)
    }

    /// Creates a registry that announces the labels of the node in `self_info` through a gossip pool.
    ///
    /// `self_info` is what the node announces beside these labels. Nothing is announced before the first change of the
    /// node.
    #[must_use]
    pub fn with_gossip(gossip: impl AnnounceSelf + 'static, self_info: PeerInfo) -> Self {
        let kept = Kept::new(Some(&self_info));
        Self::start(kept, Some(Announcer::new(gossip, self_info)))
    }

    fn start(kept: Kept, announcer: Option<Announcer>) -> Self {
        // A thread that cannot be started now is started by the first change, which tells of a failure.
        let _ = thread::start();
        Self {
            kept: Arc::new(kept),
            announcer: announcer.map(Arc::new),
        }
    }

    /// Marks a node as eligible. A registered node is overwritten.
    ///
    /// # Errors
    ///
    /// [`EdgeCacheError::Gossip`] if the change was refused, or its labels could not be announced.
    pub async fn enable(&self, node_id: u64, capacity: NodeCapacity) -> Result<(), EdgeCacheError> {
        capacity
            .check()
            .map_err(edge_cache_core::EdgeCacheError::InvalidCapacity)?;
        self.change(Request::Enable { node_id, capacity }).await
    }

    /// Removes a node.
    ///
    /// # Errors
    ///
    /// [`EdgeCacheError::NodeNotFound`] if the node is not registered, [`EdgeCacheError::Gossip`] if the change was
    /// refused, or its labels could not be announced.
    pub async fn disable(&self, node_id: u64) -> Result<(), EdgeCacheError> {
        self.change(Request::Disable { node_id }).await
    }

    async fn change(&self, request: Request) -> Result<(), EdgeCacheError> {
        let made = thread::run(self.kept.clone(), request).await;
        // Labels that wait for another attempt are announced after a refused change too.
        if let Some(announcer) = &self.announcer {
            let announced = announcer.announce(&self.kept).await;
            made?;
            return announced.map_err(|error| EdgeCacheError::Gossip(error.to_string()));
        }
        Ok(made?)
    }

    /// Returns all eligible nodes.
    pub async fn list_eligible(&self) -> Vec<EdgeCacheNode> {
        let entries = self.kept.entries();
        entries.iter().map(|entry| entry.node.clone()).collect()
    }

    /// Returns whether a node is eligible.
    pub async fn is_enabled(&self, node_id: u64) -> bool {
        self.kept.entries().contains(node_id)
    }

    /// Returns zeros, as the native registry does: nothing of this interface counts.
    pub async fn stats(&self, _node_id: u64) -> EdgeCacheStats {
        EdgeCacheStats::default()
    }
}

impl Default for EdgeCacheRegistry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for EdgeCacheRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EdgeCacheRegistry")
            .field("gossip_attached", &self.announcer.is_some())
            .finish_non_exhaustive()
    }
}
