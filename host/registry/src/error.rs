//! Errors of starting a registry and of swapping its plugin.

use std::io;

use thiserror::Error;

use edge_cache_core::NodeId;
use edge_cache_core::labels::LabelError;
use edge_cache_sandbox::Failure;

/// An error of starting a registry. Nothing runs after it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A label that other software sets on the node breaks a bound.
    #[error("the node's own labels are refused")]
    Labels(#[source] LabelError),
    /// The store belongs to another node. It was not changed.
    #[error("the store belongs to {}, the registry to {}", node(*store), node(*registry))]
    OtherNode {
        /// The node of the store.
        store: Option<NodeId>,
        /// The own node of the registry.
        registry: Option<NodeId>,
    },
    /// A registry was started with this store already, so its content is no longer current.
    #[error("the store serves a registry already, or has served one; open it again")]
    StoreUsed,
    /// The system refused to start a thread.
    #[error("cannot start a thread of the registry")]
    Thread(#[source] io::Error),
    /// The writer's thread ended while starting, which is a defect.
    #[error("the registry's thread ended while starting")]
    Ended,
}

/// An error of swapping the plugin. The old plugin goes on, and no change was lost.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SwapError {
    /// The new plugin refused the entries, with this reason.
    #[error("the plugin refuses to take over: {0}")]
    Refused(String),
    /// The new plugin failed while it was loaded, with this text.
    #[error("the plugin fails to take over: {0}")]
    Failed(String),
    /// The system refused to start the thread that tries the plugin.
    #[error("cannot start a thread to try the plugin on")]
    Thread(#[source] io::Error),
    /// The registry is stopping or has stopped.
    #[error("the registry is shutting down")]
    ShuttingDown,
}

impl From<Failure> for SwapError {
    fn from(failure: Failure) -> Self {
        match failure.refusal() {
            Some(reason) => Self::Refused(reason),
            None => Self::Failed(failure.to_string()),
        }
    }
}

fn node(node_id: Option<NodeId>) -> String {
    node_id.map_or("no node".to_string(), |node_id| format!("node {node_id}"))
}
