//! Errors of the gossip pool. Each variant documents the state that it leaves.

use std::net::SocketAddr;

use crate::info::InfoError;

/// The error of a lower layer, boxed: its library is not part of this crate's interface.
type Source = Box<dyn std::error::Error + Send + Sync>;

/// An error of the gossip pool.
#[derive(Debug, thiserror::Error)]
pub enum GossipError {
    /// A setting is outside of its documented range. Nothing was started.
    #[error("gossip setting {setting} must be {rule}")]
    Setting {
        /// Name of the field in `GossipConfig`.
        setting: &'static str,
        /// The documented rule and the value, as text.
        rule: String,
    },
    /// A seed is not `host:port`, or its address is not reachable. Nothing was started.
    #[error(
        "gossip seed {seed:?} is not HOST:PORT (IPv6 in brackets, no unspecified, multicast or broadcast address, no port 0)"
    )]
    Seed {
        /// The seed as configured.
        seed: String,
    },
    /// Peers cannot reach the advertised address, for instance `0.0.0.0`. Nothing was started.
    #[error(
        "peers cannot reach {address}: listen on an address of this machine, or name the one to advertise with --gossip-advertise"
    )]
    NotAdvertisable {
        /// The address to be advertised.
        address: SocketAddr,
    },
    /// The socket could not be bound. Nothing was started.
    #[error("gossip cannot listen on {listen}")]
    Listen {
        /// The configured address.
        listen: SocketAddr,
        /// Error of the system.
        source: Source,
    },
    /// The gossip server did not start. The socket was closed.
    #[error("gossip cannot start")]
    Start {
        /// Error of the gossip library.
        source: Source,
    },
    /// The storage gave no new generation. Nothing was started.
    #[error("gossip cannot store its next generation")]
    Memory {
        /// Error of the storage.
        source: Source,
    },
    /// Keys were set on a pool that was started without keys. It continues without encryption.
    #[error("gossip is not encrypted: keys must be configured at the start")]
    NotSealed,
    /// The info to announce is for another node. The previous announcement is unchanged.
    #[error("node {own} cannot announce node {given}: a node can only announce itself")]
    OtherNode {
        /// Node id of this pool.
        own: u64,
        /// Node id of the info.
        given: u64,
    },
    /// The node's record cannot be encoded. At the start, nothing was started. Later, the previous
    /// announcement is unchanged.
    #[error(transparent)]
    Info(#[from] InfoError),
    /// The pool was shut down. Peers may see its last announcement until they notice.
    #[error("gossip has stopped")]
    Stopped,
}
