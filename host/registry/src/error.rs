//! Errors of starting a registry and of swapping its plugin.

use thiserror::Error;

use edge_cache_core::NodeId;
use edge_cache_core::labels::LabelError;
use edge_cache_sandbox::Failure;

/// Why a registry did not start. Nothing runs.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// Labels that other software sets on the node break a bound.
    #[error("the node's own labels are refused")]
    Labels(#[source] LabelError),
    /// The store is another node's. It was not touched.
    #[error("the store is of {store:?}, the registry of {registry:?}")]
    OtherNode {
        /// The store's node.
        store: Option<NodeId>,
        /// The registry's own node.
        registry: Option<NodeId>,
    },
    /// A registry has been started with the store before, and what it remembers has gone on since.
    #[error("the store serves a registry already, or has served one; open it again")]
    StoreUsed,
    /// The system gave no thread.
    #[error("cannot start the registry's thread")]
    Thread(#[source] std::io::Error),
    /// The thread ended before it served anything.
    #[error("the registry's thread ended while starting")]
    Ended,
}

/// Why a component did not take over. The one before goes on, and no change was lost.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SwapError {
    /// It does not want to serve the entries that there are.
    #[error("the component refuses to take over: {0}")]
    Refused(String),
    /// It failed before it had taken over.
    #[error("the component fails to take over: {0}")]
    Failed(String),
    /// The system gave no thread to try it on.
    #[error("cannot start a thread to try the component on")]
    Thread(#[source] std::io::Error),
    /// The registry does not take changes any more.
    #[error("the registry is shutting down")]
    ShuttingDown,
}

impl From<Failure> for SwapError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(reason) => Self::Refused(reason),
            failure => Self::Failed(failure.to_string()),
        }
    }
}
