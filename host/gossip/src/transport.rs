//! The socket under chitchat: it is bound before chitchat starts, and its traffic is counted.
//!
//! chitchat needs the address to advertise before it opens its socket. Binding the socket first lets
//! the system choose a free port that can still be advertised.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chitchat::transport::{RecvOutcome, SendOutcome, Socket, Transport};
use chitchat::{ChitchatEnvelope, ChitchatId};
use tokio::sync::Notify;

use crate::metrics::GossipMetrics;

/// A network that carries gossip between members.
#[async_trait]
pub(crate) trait GossipTransport: Send + Sync {
    /// Binds an address. With port 0 the system chooses a free port.
    async fn bind(&self, listen: SocketAddr) -> anyhow::Result<Box<dyn BoundSocket>>;
}

/// A bound address without a member.
pub(crate) trait BoundSocket: Send {
    fn local_addr(&self) -> SocketAddr;

    /// Converts the bound address into a member's socket.
    fn into_socket(self: Box<Self>, member: MemberContext) -> Box<dyn Socket>;
}

/// A socket's connection with the member that uses it.
#[derive(Debug, Clone)]
pub(crate) struct MemberContext {
    pub(crate) id: ChitchatId,
    pub(crate) metrics: Arc<GossipMetrics>,
    /// Notified when another member claims a newer state of this member than its own. Peers keep that
    /// claim until this member has a new generation.
    pub(crate) impersonated: Arc<Notify>,
}

/// A chitchat transport that returns one socket, which is already bound.
pub(crate) struct BoundTransport {
    socket: Mutex<Option<CountingSocket>>,
}

struct CountingSocket {
    inner: Box<dyn Socket>,
    metrics: Arc<GossipMetrics>,
}

impl BoundTransport {
    pub(crate) fn new(inner: Box<dyn Socket>, metrics: Arc<GossipMetrics>) -> Self {
        let socket = CountingSocket { inner, metrics };
        Self {
            socket: Mutex::new(Some(socket)),
        }
    }
}

#[async_trait]
impl Transport for BoundTransport {
    async fn open(&self, _listen: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        let socket = self
            .socket
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match socket {
            Some(socket) => Ok(Box::new(socket)),
            None => Err(anyhow::anyhow!("the gossip socket was opened before")),
        }
    }
}

#[async_trait]
impl Socket for CountingSocket {
    fn local_addr(&self) -> anyhow::Result<SocketAddr> {
        self.inner.local_addr()
    }

    async fn send(
        &mut self,
        to: SocketAddr,
        envelope: ChitchatEnvelope,
    ) -> anyhow::Result<SendOutcome> {
        let outcome = self.inner.send(to, envelope).await?;
        self.metrics.sent(outcome.num_bytes_sent);
        Ok(outcome)
    }

    // chitchat may drop this future at any await. No datagram is lost: there is no await after the
    // inner socket has returned one.
    async fn recv(&mut self) -> anyhow::Result<RecvOutcome> {
        let outcome = self.inner.recv().await?;
        self.metrics.received(outcome.num_bytes_received);
        Ok(outcome)
    }
}
