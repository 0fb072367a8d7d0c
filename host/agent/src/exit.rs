//! Exit codes of the binary, and the errors that they depend on.

use anyhow::Error;
use edge_cache_client::{ClientError, ProblemType};
use edge_cache_host::gossip::GossipError;

#[cfg(test)]
mod tests;

/// The command did what it says.
pub const SUCCESS: u8 = 0;
/// There was no valid response, or the agent failed.
pub const FAILED: u8 = 1;
/// The command line or a setting is invalid.
pub const USAGE: u8 = 2;
/// The node does not exist.
pub const NOT_FOUND: u8 = 3;
/// The agent refused the request.
pub const REFUSED: u8 = 4;
/// The change is made; its labels have not followed in time.
pub const PENDING: u8 = 5;
/// The change is made; the node's own agent refuses it.
pub const NODE_REFUSES: u8 = 6;

/// An error that other arguments or settings would avoid.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct UsageError(Error);

/// Marks an error as one that other arguments or settings would avoid.
pub(crate) fn usage(error: impl Into<Error>) -> Error {
    UsageError(error.into()).into()
}

/// Returns the exit code for an error.
#[must_use]
pub fn code(error: &Error) -> u8 {
    let is_gossip_usage = error.downcast_ref().is_some_and(|error| {
        matches!(
            error,
            GossipError::Setting { .. }
                | GossipError::Seed { .. }
                | GossipError::NotAdvertisable { .. }
                | GossipError::Info(_)
        )
    });
    if is_gossip_usage || error.is::<UsageError>() {
        return USAGE;
    }
    match error.downcast_ref() {
        Some(ClientError::Refused {
            problem_type: Some(ProblemType::NodeNotFound),
            ..
        }) => NOT_FOUND,
        // Another listener, or another program: nobody said that the node does not exist.
        Some(ClientError::Refused { status, .. }) if status.as_u16() == 404 => FAILED,
        Some(ClientError::Refused { status, .. }) if status.is_client_error() => REFUSED,
        _ => FAILED,
    }
}
