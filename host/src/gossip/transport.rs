//! The socket under chitchat: bound before chitchat starts, and counted.
//!
//! chitchat wants to know the address to advertise before it opens its socket. Binding first turns
//! the order around, so a free port can be chosen by the system and still be advertised. Everything
//! that chitchat sends and receives passes here; nothing is changed or held back.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chitchat::ChitchatEnvelope;
use chitchat::transport::{RecvOutcome, SendOutcome, Socket, Transport, UdpSocket};

use super::GossipError;

/// What a pool has sent and received since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams that were given to the system.
    pub datagrams_sent: u64,
    /// Bytes in them, without headers of UDP and below.
    pub bytes_sent: u64,
    /// Datagrams that arrived and could be read as gossip.
    pub datagrams_received: u64,
    /// Bytes in them, without headers of UDP and below.
    pub bytes_received: u64,
}

/// The counters behind [`Traffic`]. Each counts on its own: a reader may see a datagram before its
/// bytes.
#[derive(Debug, Default)]
pub(super) struct TrafficCounters {
    datagrams_sent: AtomicU64,
    bytes_sent: AtomicU64,
    datagrams_received: AtomicU64,
    bytes_received: AtomicU64,
}

/// Hands a socket that is already open to chitchat, once.
pub(super) struct OpenTransport {
    socket: Mutex<Option<CountedSocket>>,
}

struct CountedSocket {
    inner: Box<dyn Socket>,
    counters: Arc<TrafficCounters>,
}

/// Binds the UDP socket. The system chooses the port if it is 0.
pub(super) async fn listen(listen: SocketAddr) -> Result<Box<dyn Socket>, GossipError> {
    match UdpSocket::open(listen).await {
        Ok(socket) => Ok(Box::new(socket)),
        Err(error) => Err(GossipError::Listen {
            listen,
            source: error.into(),
        }),
    }
}

impl TrafficCounters {
    pub(super) fn read(&self) -> Traffic {
        Traffic {
            datagrams_sent: self.datagrams_sent.load(Ordering::Relaxed),
            bytes_sent: self.bytes_sent.load(Ordering::Relaxed),
            datagrams_received: self.datagrams_received.load(Ordering::Relaxed),
            bytes_received: self.bytes_received.load(Ordering::Relaxed),
        }
    }
}

impl OpenTransport {
    pub(super) fn new(inner: Box<dyn Socket>, counters: Arc<TrafficCounters>) -> Self {
        Self {
            socket: Mutex::new(Some(CountedSocket { inner, counters })),
        }
    }
}

#[async_trait]
impl Transport for OpenTransport {
    async fn open(&self, _listen: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        let socket = self
            .socket
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match socket {
            Some(socket) => Ok(Box::new(socket)),
            None => Err(anyhow::anyhow!("the gossip socket was handed out before")),
        }
    }
}

#[async_trait]
impl Socket for CountedSocket {
    fn local_addr(&self) -> anyhow::Result<SocketAddr> {
        self.inner.local_addr()
    }

    async fn send(
        &mut self,
        to: SocketAddr,
        envelope: ChitchatEnvelope,
    ) -> anyhow::Result<SendOutcome> {
        let outcome = self.inner.send(to, envelope).await?;
        let counters = &self.counters;
        counters.datagrams_sent.fetch_add(1, Ordering::Relaxed);
        add(&counters.bytes_sent, outcome.num_bytes_sent);
        Ok(outcome)
    }

    // chitchat drops this future whenever something else is ready first. Nothing is lost: between
    // the inner socket's answer and ours there is no await.
    async fn recv(&mut self) -> anyhow::Result<RecvOutcome> {
        let outcome = self.inner.recv().await?;
        let counters = &self.counters;
        counters.datagrams_received.fetch_add(1, Ordering::Relaxed);
        add(&counters.bytes_received, outcome.num_bytes_received);
        Ok(outcome)
    }
}

fn add(counter: &AtomicU64, bytes: usize) {
    counter.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
}
