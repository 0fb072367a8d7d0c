//! How a pool can fail. Each variant says what state it leaves.

use std::net::SocketAddr;

use super::InfoError;

/// The error of a lower layer, kept as text and chain only: which library it comes from is not
/// part of this crate's interface.
type Source = Box<dyn std::error::Error + Send + Sync>;

/// An error of the gossip pool.
#[derive(Debug, thiserror::Error)]
pub enum GossipError {
    /// A setting is outside of its documented range. Nothing was started.
    #[error("gossip setting {setting} must be {rule}")]
    Setting {
        /// Name of the field in `GossipConfig`.
        setting: &'static str,
        /// What it must be, with the numbers.
        rule: String,
    },
    /// A seed is not `host:port`, or nothing could be sent to it. Nothing was started.
    #[error("gossip seed {seed:?} is not a reachable host:port (ipv6 addresses need brackets)")]
    Seed {
        /// The seed as it was given.
        seed: String,
    },
    /// Peers could not reach the node under this address, and the cluster would live through its
    /// seeds alone. Nothing was started.
    #[error("peers cannot reach {address}: name the address to advertise with --gossip-advertise")]
    NotAdvertisable {
        /// The address that would have been advertised.
        address: SocketAddr,
    },
    /// The socket could not be bound. Nothing was started.
    #[error("gossip cannot listen on {listen}")]
    Listen {
        /// The address that was asked for.
        listen: SocketAddr,
        /// What the system said.
        source: Source,
    },
    /// The gossip member did not start. The socket was given back.
    #[error("gossip cannot start")]
    Start {
        /// What the gossip library said.
        source: Source,
    },
    /// No generation could be had that was never used. Nothing was started.
    #[error("gossip cannot remember its next generation")]
    Memory {
        /// What the memory said.
        source: Source,
    },
    /// Keys were given to a pool that was started without any. It gossips on in plain.
    #[error("gossip is not sealed: a key file must be given at the start")]
    NotSealed,
    /// Somebody asked this node to announce another one. What was announced before stands.
    #[error("node {own} cannot announce node {given}: a node speaks for itself alone")]
    OtherNode {
        /// The node of this pool.
        own: u64,
        /// The node that was to be announced.
        given: u64,
    },
    /// The node's record is not one that can travel. Starting, nothing was started; later, what was
    /// announced before stands.
    #[error(transparent)]
    Info(#[from] InfoError),
    /// The pool was shut down. What was announced last may still be seen by peers until they notice.
    #[error("gossip has stopped")]
    Stopped,
}
