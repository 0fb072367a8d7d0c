//! The socket under chitchat: bound before chitchat starts, and counted.
//!
//! chitchat wants to know the address to advertise before it opens its socket. Binding first turns
//! the order around, so a free port can be chosen by the system and still be advertised.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chitchat::transport::{RecvOutcome, SendOutcome, Socket, Transport};
use chitchat::{ChitchatEnvelope, ChitchatId};
use tokio::sync::Notify;

use super::traffic::TrafficCounters;

/// Something that members can gossip over.
#[async_trait]
pub(super) trait GossipTransport: Send + Sync {
    /// Binds an address. A port 0 is replaced by a free one.
    async fn bind(&self, listen: SocketAddr) -> anyhow::Result<Box<dyn BoundSocket>>;
}

/// A place in a transport that no member uses yet.
pub(super) trait BoundSocket: Send {
    fn local_addr(&self) -> SocketAddr;

    /// Gives the place to a member.
    fn into_socket(self: Box<Self>, member: MemberContext) -> Box<dyn Socket>;
}

/// What a socket knows of the member that it serves, and tells it.
#[derive(Debug, Clone)]
pub(super) struct MemberContext {
    pub(super) id: ChitchatId,
    pub(super) traffic: Arc<TrafficCounters>,
    /// Notified when somebody claims to know this member better than it knows itself. From then on
    /// that claim is in the state of the peers, and only a new generation gets rid of it.
    pub(super) impersonated: Arc<Notify>,
}

/// Hands a socket that is already open to chitchat, once.
pub(super) struct BoundTransport {
    socket: Mutex<Option<CountingSocket>>,
}

struct CountingSocket {
    inner: Box<dyn Socket>,
    traffic: Arc<TrafficCounters>,
}

impl BoundTransport {
    pub(super) fn new(inner: Box<dyn Socket>, traffic: Arc<TrafficCounters>) -> Self {
        let socket = CountingSocket { inner, traffic };
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
            None => Err(anyhow::anyhow!("the gossip socket was handed out before")),
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
        self.traffic.sent(outcome.num_bytes_sent);
        Ok(outcome)
    }

    // chitchat drops this future whenever something else is ready first. Nothing is lost: between
    // the inner socket's answer and ours there is no await.
    async fn recv(&mut self) -> anyhow::Result<RecvOutcome> {
        let outcome = self.inner.recv().await?;
        self.traffic.received(outcome.num_bytes_received);
        Ok(outcome)
    }
}
