//! The socket that carries datagrams between members: of the system, or of a simulated network.

use std::io;
use std::net::SocketAddr;

use tokio::net::UdpSocket;

use crate::config::Network;
#[cfg(any(test, feature = "simulation"))]
use crate::simulated::SimulatedDatagrams;

/// A bound socket.
pub(crate) enum Datagrams {
    Udp(UdpSocket),
    #[cfg(any(test, feature = "simulation"))]
    Simulated(SimulatedDatagrams),
}

impl Datagrams {
    /// Binds an address of a network.
    pub(crate) async fn bind(network: &Network, listen: SocketAddr) -> io::Result<Self> {
        Ok(match network {
            Network::Udp => Self::Udp(UdpSocket::bind(listen).await?),
            #[cfg(any(test, feature = "simulation"))]
            Network::Simulated(network) => Self::Simulated(network.open(listen)?),
        })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Udp(socket) => socket.local_addr(),
            #[cfg(any(test, feature = "simulation"))]
            Self::Simulated(socket) => Ok(socket.address),
        }
    }

    pub(crate) async fn send_to(&self, datagram: &[u8], to: SocketAddr) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.send_to(datagram, to).await,
            #[cfg(any(test, feature = "simulation"))]
            Self::Simulated(socket) => Ok(socket.send_to(datagram, to)),
        }
    }

    pub(crate) fn try_send_to(&self, datagram: &[u8], to: SocketAddr) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.try_send_to(datagram, to),
            #[cfg(any(test, feature = "simulation"))]
            Self::Simulated(socket) => Ok(socket.send_to(datagram, to)),
        }
    }

    /// Receives a datagram. Cancel safe.
    pub(crate) async fn recv_from(&mut self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self {
            Self::Udp(socket) => socket.recv_from(buffer).await,
            #[cfg(any(test, feature = "simulation"))]
            Self::Simulated(socket) => socket.recv_from(buffer).await,
        }
    }
}
