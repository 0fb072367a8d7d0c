//! Failures of the demo.

use std::time::Duration;

use thiserror::Error;

/// A failed step. All agents have ended when it is returned.
#[derive(Debug, Error)]
pub(super) enum DemoError {
    /// An agent did not start, or was not ready in time.
    #[error("cannot start agent {node_id}: {reason}")]
    Start {
        /// The agent's node.
        node_id: u64,
        /// The cause.
        reason: String,
    },
    /// A request to an agent failed.
    #[error("request to agent {node_id} failed: {reason}")]
    Request {
        /// The agent's node.
        node_id: u64,
        /// The cause.
        reason: String,
    },
    /// An agent ended unexpectedly.
    #[error("agent {node_id} ended unexpectedly: {status}")]
    Ended {
        /// The agent's node.
        node_id: u64,
        /// The exit status.
        status: String,
    },
    /// Labels did not arrive or did not disappear in time.
    #[error("agent {by} did not see {expected} within {} s; it saw {seen}", within.as_secs())]
    NotSeen {
        /// The node of the observing agent.
        by: u64,
        /// The expected labels or routes.
        expected: String,
        /// The observed labels or routes.
        seen: String,
        /// The time limit.
        within: Duration,
    },
    /// An agent did not stop with status 0 in time.
    #[error("agent {node_id} did not stop: {reason}")]
    Stop {
        /// The agent's node.
        node_id: u64,
        /// The cause.
        reason: String,
    },
    /// A signal interrupted the demo.
    #[error("the demo was interrupted")]
    Interrupted,
    /// A system call failed.
    #[error("cannot {action}: {reason}")]
    System {
        /// The attempted action.
        action: &'static str,
        /// The cause.
        reason: String,
    },
}

impl DemoError {
    /// Returns the agent whose log may explain the failure.
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
