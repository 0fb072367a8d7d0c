//! The sockets of a UDP transport.

use std::net::SocketAddr;

use chitchat::ProtocolVersion;
use chitchat::transport::UdpSocket as ChitchatSocket;
use tokio::net::UdpSocket;

use crate::seal::{Opener, Sealer};

/// Encryption and decryption of datagrams.
pub(super) struct Encryption {
    pub(super) sealer: Sealer,
    pub(super) opener: Opener,
}

/// Bound sockets without a member.
pub(super) struct UdpSockets {
    pub(super) address: SocketAddr,
    pub(super) network: UdpSocket,
    /// The socket of chitchat, on loopback.
    pub(super) inner: ChitchatSocket,
    /// The socket that exchanges messages with `inner`.
    pub(super) relay: UdpSocket,
    pub(super) relay_address: SocketAddr,
    pub(super) encryption: Option<Encryption>,
    pub(super) cluster_id: String,
    pub(super) protocol: ProtocolVersion,
}
