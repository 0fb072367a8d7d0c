//! A network in memory for tests, with loss, delay and cut links. Time is virtual if the runtime's
//! clock is paused.
//!
//! Members run the same code as over UDP except for the socket. On a network of messages, these are encoded and
//! decoded, but neither encrypted nor checked. One of datagrams leaves nothing out, and takes more time.
//!
//! - `conditions`: loss, delay and connectivity. `in_flight`: what has not arrived. `datagrams`: the sockets of a
//!   network of datagrams.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chitchat::transport::{ChannelTransport, RecvOutcome, SendOutcome, Socket, Transport};
use chitchat::{ChitchatEnvelope, ChitchatMessage};
use tokio::time::Instant;

use crate::metrics::GossipMetrics;
use crate::transport::{BoundSocket, GossipTransport, MemberContext};
use conditions::{Conditions, ordered};
use datagrams::Addresses;
use in_flight::InFlight;

pub(crate) use datagrams::SimulatedDatagrams;

mod conditions;
mod datagrams;
mod in_flight;
#[cfg(test)]
mod tests;

/// Maximum size of a UDP datagram.
const DATAGRAM_BYTES_MAX: usize = 65_507;

/// An address without a listener, the destination of lost datagrams.
const NOWHERE: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(
    std::net::Ipv4Addr::UNSPECIFIED,
    0,
));

/// A network in memory. Clones share it.
#[derive(Clone)]
pub struct SimulatedNetwork {
    carrier: Carrier,
    conditions: Conditions,
}

/// The bound addresses of a network, by what it carries.
#[derive(Clone)]
enum Carrier {
    Messages(ChannelTransport),
    Datagrams(Addresses),
}

impl SimulatedNetwork {
    /// Creates a network of messages without loss or delay. The seed determines later loss and delay.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let channels = ChannelTransport::with_mtu(DATAGRAM_BYTES_MAX);
        Self::of(Carrier::Messages(channels), seed)
    }

    /// Creates a network of datagrams without loss or delay. The seed determines later loss and delay.
    ///
    /// Members use sockets on loopback between chitchat and the network, as always. Virtual time may go on to the next
    /// timer meanwhile, so a datagram takes somewhat longer than its delay.
    #[must_use]
    pub fn of_datagrams(seed: u64) -> Self {
        Self::of(Carrier::Datagrams(Addresses::default()), seed)
    }

    fn of(carrier: Carrier, seed: u64) -> Self {
        Self {
            carrier,
            conditions: Conditions::new(seed),
        }
    }

    /// Sets the probability, from 0 to 1, that a datagram is lost.
    pub fn lose(&self, probability: f64) {
        self.conditions.lock().loss = probability;
    }

    /// Sets the range of the random delay of each datagram.
    pub fn delay(&self, range: RangeInclusive<Duration>) {
        self.conditions.lock().delay = range;
    }

    /// Partitions the network: addresses reach only their own group. All addresses in no group form
    /// another group.
    pub fn partition(&self, groups: &[Vec<SocketAddr>]) {
        let mut conditions = self.conditions.lock();
        conditions.groups = groups
            .iter()
            .zip(1..)
            .flat_map(|(group, side)| group.iter().map(move |address| (*address, side)))
            .collect();
    }

    /// Cuts the link between two addresses, both ways.
    pub fn cut(&self, one: SocketAddr, other: SocketAddr) {
        self.conditions.lock().cut.insert(ordered(one, other));
    }

    /// Removes all partitions and cuts.
    pub fn heal(&self) {
        let mut conditions = self.conditions.lock();
        conditions.groups.clear();
        conditions.cut.clear();
    }

    /// Returns the number of datagrams sent by all members, lost ones included, and the bytes in them.
    #[must_use]
    pub fn sent(&self) -> (u64, u64) {
        match &self.carrier {
            Carrier::Messages(channels) => {
                let sent = channels.statistics();
                (sent.num_messages_total, sent.num_bytes_total)
            }
            Carrier::Datagrams(addresses) => addresses.sent(),
        }
    }

    /// Returns the transport of messages, if the network carries messages.
    pub(crate) fn messages(&self) -> Option<SimulatedMessages> {
        let Carrier::Messages(channels) = &self.carrier else {
            return None;
        };
        Some(SimulatedMessages {
            channels: channels.clone(),
            network: self.clone(),
        })
    }

    /// Binds an address of a network of datagrams.
    pub(crate) fn open(&self, address: SocketAddr) -> io::Result<SimulatedDatagrams> {
        match &self.carrier {
            Carrier::Messages(_) => Err(io::ErrorKind::Unsupported.into()),
            Carrier::Datagrams(addresses) => addresses.bind(address, self.conditions.clone()),
        }
    }
}

impl fmt::Debug for SimulatedNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedNetwork").finish_non_exhaustive()
    }
}

/// The messages of a network.
pub(crate) struct SimulatedMessages {
    channels: ChannelTransport,
    network: SimulatedNetwork,
}

#[async_trait]
impl GossipTransport for SimulatedMessages {
    async fn bind(&self, listen: SocketAddr) -> anyhow::Result<Box<dyn BoundSocket>> {
        let inner = self.channels.open(listen).await?;
        let address = inner.local_addr()?;
        Ok(Box::new(SimulatedSocket {
            inner,
            address,
            network: self.network.clone(),
            in_flight: InFlight::default(),
            metrics: Arc::default(),
        }))
    }
}

struct SimulatedSocket {
    inner: Box<dyn Socket>,
    address: SocketAddr,
    network: SimulatedNetwork,
    in_flight: InFlight<RecvOutcome>,
    metrics: Arc<GossipMetrics>,
}

impl BoundSocket for SimulatedSocket {
    fn local_addr(&self) -> SocketAddr {
        self.address
    }

    fn into_socket(mut self: Box<Self>, member: MemberContext) -> Box<dyn Socket> {
        self.metrics = member.metrics;
        self
    }
}

#[async_trait]
impl Socket for SimulatedSocket {
    fn local_addr(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.address)
    }

    async fn send(
        &mut self,
        to: SocketAddr,
        envelope: ChitchatEnvelope,
    ) -> anyhow::Result<SendOutcome> {
        let lost = self.network.conditions.lock().loses(self.address, to);
        let begins_round = matches!(envelope.message, ChitchatMessage::Syn { .. });
        let outcome = self
            .inner
            .send(if lost { NOWHERE } else { to }, envelope)
            .await?;
        self.metrics.count_sent(outcome.num_bytes_sent);
        if begins_round {
            // The message is a digest and little more. Its members are private to chitchat.
            self.metrics.set_digest(outcome.num_bytes_sent, 0);
        }
        Ok(outcome)
    }

    // Datagrams that are due are returned without a timer, which would round their time up.
    async fn recv(&mut self) -> anyhow::Result<RecvOutcome> {
        loop {
            if let Some(outcome) = self.in_flight.next_due(Instant::now()) {
                self.metrics.count_received(outcome.num_bytes_received);
                return Ok(outcome);
            }
            tokio::select! {
                outcome = self.inner.recv() => {
                    self.in_flight.add(outcome?, self.network.conditions.lock().random_delay());
                }
                () = self.in_flight.until_due() => {}
            }
        }
    }
}
