//! The socket under chitchat, which is bound before chitchat starts.
//!
//! chitchat needs the address to advertise before it opens its socket. Binding the socket first lets
//! the system choose a free port that can still be advertised.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use chitchat::ChitchatId;
use chitchat::transport::{Socket, Transport};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::heard::HeardFrom;
use crate::metrics::GossipMetrics;
use crate::refusals::Refusals;
use crate::validator::StateBudget;

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
    pub(crate) states: Arc<StateBudget>,
    /// Notified when another member claims a newer state of this member than its own. Peers keep that
    /// claim until this member has a new generation.
    pub(crate) impersonated: Arc<Notify>,
    /// The last sender of a sealed datagram whose time was out of range.
    pub(crate) clock_off: Arc<ArcSwapOption<ClockOff>>,
    /// Takes note of known addresses that are no peers.
    pub(crate) refusals: Arc<Refusals>,
    /// The last datagram of each address.
    pub(crate) heard: Arc<HeardFrom>,
}

/// A sealed datagram that was dropped because of its time of sending.
#[derive(Debug)]
pub(crate) struct ClockOff {
    pub(crate) address: SocketAddr,
    /// Time by which the sender's clock is ahead of this node's, in milliseconds.
    pub(crate) ahead_ms: i64,
    /// Time of arrival.
    pub(crate) seen: Instant,
}

/// A chitchat transport that returns one socket, which is already bound.
pub(crate) struct BoundTransport(Mutex<Option<Box<dyn Socket>>>);

impl BoundTransport {
    pub(crate) fn new(socket: Box<dyn Socket>) -> Self {
        Self(Mutex::new(Some(socket)))
    }
}

#[async_trait]
impl Transport for BoundTransport {
    async fn open(&self, _listen: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let socket = socket.take();
        socket.ok_or_else(|| anyhow::anyhow!("the gossip socket was opened before"))
    }
}
