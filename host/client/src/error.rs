//! Errors of the client.

use edge_cache_api::ProblemType;
use reqwest::StatusCode;
use thiserror::Error;

use crate::config::Address;

/// The error of a client or of one of its requests.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The token would be sent over plain HTTP beyond loopback. Nothing was sent.
    #[error("the token would be sent to {address} unencrypted")]
    PlaintextToken {
        /// The address of the agent.
        address: Address,
    },
    /// HTTPS needs root certificates. Nothing was sent.
    #[error("{address} needs root certificates to trust: those of the system are not used")]
    NoCa {
        /// The address of the agent.
        address: Address,
    },
    /// The HTTP client cannot be created.
    #[error("cannot create an HTTP client: {0}")]
    Setup(String),
    /// There was no response, or no complete and valid one. A change may have been made.
    #[error("{request} at {address}: {reason}")]
    NoResponse {
        /// Method and path of the request.
        request: String,
        /// The address of the agent.
        address: Address,
        /// The cause.
        reason: String,
    },
    /// The agent refused the request. Nothing has changed.
    #[error("{request} at {address}: {status}: {detail}")]
    Refused {
        /// Method and path of the request.
        request: String,
        /// The address of the agent.
        address: Address,
        /// The status of the response.
        status: StatusCode,
        /// The type of problem; `None` where this version does not know it, or the response is no problem document.
        problem_type: Option<ProblemType>,
        /// The cause.
        detail: String,
    },
}

impl ClientError {
    /// Returns the status of a refusal.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Returns whether the same request may succeed later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::NoResponse { .. } => true,
            Self::Refused { status, .. } => status.is_server_error(),
            _ => false,
        }
    }
}
