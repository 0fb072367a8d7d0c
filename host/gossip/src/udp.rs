//! UDP under chitchat: every datagram is checked, and encrypted if there are keys.
//!
//! chitchat encodes and decodes its messages itself, without a hook for others. Its own socket
//! therefore stays on loopback, connected only to the relay socket here. Datagrams from the network
//! are decrypted, checked and relayed to it. Its messages are taken from it, encrypted and sent to
//! the network. Datagrams that are not authentic, or that would end the server, are dropped and
//! counted. With keys, no plain datagram is sent.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use chitchat::ProtocolVersion;
use chitchat::transport::{Socket, UdpSocket as ChitchatSocket};
use tokio::net::UdpSocket;

use crate::keyring::SharedKeyring;
use crate::seal::{Opener, Sealer};
use crate::transport::{BoundSocket, GossipTransport, MemberContext};
use sockets::{Encryption, UdpSockets};
use validating::ValidatingSocket;

mod sockets;
mod validating;

/// The UDP transport of one cluster.
pub(crate) struct UdpTransport {
    cluster_id: String,
    keyring: Option<SharedKeyring>,
    protocol: ProtocolVersion,
}

impl UdpTransport {
    pub(crate) fn new(
        cluster_id: String,
        protocol: ProtocolVersion,
        keyring: Option<SharedKeyring>,
    ) -> Self {
        Self {
            cluster_id,
            keyring,
            protocol,
        }
    }
}

#[async_trait]
impl GossipTransport for UdpTransport {
    async fn bind(&self, listen: SocketAddr) -> anyhow::Result<Box<dyn BoundSocket>> {
        let network = UdpSocket::bind(listen).await?;
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let inner = ChitchatSocket::open(loopback).await?;
        let relay = UdpSocket::bind(loopback).await?;
        // A connected socket ignores datagrams of other senders.
        relay.connect(inner.local_addr()?).await?;
        let encryption = self.keyring.clone().map(|keyring| Encryption {
            sealer: Sealer::new(Arc::clone(&keyring), &self.cluster_id),
            opener: Opener::new(keyring, &self.cluster_id),
        });
        Ok(Box::new(UdpSockets {
            address: network.local_addr()?,
            relay_address: relay.local_addr()?,
            network,
            inner,
            relay,
            encryption,
            cluster_id: self.cluster_id.clone(),
            protocol: self.protocol,
        }))
    }
}

impl BoundSocket for UdpSockets {
    fn local_addr(&self) -> SocketAddr {
        self.address
    }

    fn into_socket(self: Box<Self>, member: MemberContext) -> Box<dyn Socket> {
        Box::new(ValidatingSocket::new(*self, member))
    }
}
