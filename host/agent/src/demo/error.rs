//! What can go wrong in the demo, in words that name the agent.

use std::time::Duration;

use thiserror::Error;

/// What did not happen. The agents are gone when this is returned.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DemoError {
    /// An agent could not be started, or was not ready in time.
    #[error("agent {node_id} does not start: {reason}")]
    Start {
        /// The agent's node.
        node_id: u64,
        /// What happened instead.
        reason: String,
    },
    /// An agent did not answer as it should.
    #[error("agent {node_id} did not answer as it should: {reason}")]
    Request {
        /// The agent's node.
        node_id: u64,
        /// What was asked, and what came instead.
        reason: String,
    },
    /// An agent ended before it was told to.
    #[error("agent {node_id} ended before it was told to: {status}")]
    Ended {
        /// The agent's node.
        node_id: u64,
        /// How it ended.
        status: String,
    },
    /// Labels did not arrive, or did not go.
    #[error("agent {by} did not see {expected} within {} s; it saw {seen}", within.as_secs())]
    NotSeen {
        /// The node of the agent that looked.
        by: u64,
        /// What should have been there.
        expected: String,
        /// What was there.
        seen: String,
        /// How long it had.
        within: Duration,
    },
    /// An agent did not stop in order.
    #[error("agent {node_id} did not stop in order: {reason}")]
    Stop {
        /// The agent's node.
        node_id: u64,
        /// What happened instead.
        reason: String,
    },
    /// The demo was told to stop.
    #[error("the demo was interrupted")]
    Interrupted,
    /// The system refused something.
    #[error("cannot {action}: {reason}")]
    System {
        /// What was tried.
        action: &'static str,
        /// Why not.
        reason: String,
    },
}

impl DemoError {
    /// The agent whose log may say why.
    pub(super) fn culprit(&self) -> Option<u64> {
        match self {
            Self::Start { node_id, .. }
            | Self::Request { node_id, .. }
            | Self::Ended { node_id, .. }
            | Self::Stop { node_id, .. } => Some(*node_id),
            Self::NotSeen { by, .. } => Some(*by),
            Self::Interrupted | Self::System { .. } => None,
        }
    }
}
