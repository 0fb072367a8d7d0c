//! A network in memory for tests, with loss, delay and cut links. Time is virtual if the runtime's
//! clock is paused.
//!
//! Members run the same code as over UDP except for the socket: messages are encoded and decoded, but
//! neither encrypted nor checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chitchat::transport::{ChannelTransport, RecvOutcome, SendOutcome, Socket, Transport};
use chitchat::{ChitchatEnvelope, ChitchatMessage};
use tokio::time::Instant;

use crate::clock::until;
use crate::metrics::GossipMetrics;
use crate::transport::{BoundSocket, GossipTransport, MemberContext};

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
    channels: ChannelTransport,
    conditions: Arc<Mutex<LinkConditions>>,
}

/// The present loss, delay and connectivity.
struct LinkConditions {
    rng: fastrand::Rng,
    /// Probability, from 0 to 1.
    loss: f64,
    delay: RangeInclusive<Duration>,
    /// Group of each address in a partition. Group 0 for addresses not listed.
    groups: BTreeMap<SocketAddr, u32>,
    cut: BTreeSet<(SocketAddr, SocketAddr)>,
}

impl SimulatedNetwork {
    /// Creates a network without loss or delay. The seed determines later loss and delay.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            channels: ChannelTransport::with_mtu(DATAGRAM_BYTES_MAX),
            conditions: Arc::new(Mutex::new(LinkConditions {
                rng: fastrand::Rng::with_seed(seed),
                loss: 0.0,
                delay: Duration::ZERO..=Duration::ZERO,
                groups: BTreeMap::new(),
                cut: BTreeSet::new(),
            })),
        }
    }

    /// Sets the probability, from 0 to 1, that a datagram is lost.
    pub fn lose(&self, probability: f64) {
        self.conditions().loss = probability;
    }

    /// Sets the range of the random delay of each datagram.
    pub fn delay(&self, range: RangeInclusive<Duration>) {
        self.conditions().delay = range;
    }

    /// Partitions the network: addresses reach only their own group. All addresses in no group form
    /// another group.
    pub fn partition(&self, groups: &[Vec<SocketAddr>]) {
        let mut conditions = self.conditions();
        conditions.groups = groups
            .iter()
            .zip(1..)
            .flat_map(|(group, side)| group.iter().map(move |address| (*address, side)))
            .collect();
    }

    /// Cuts the link between two addresses, both ways.
    pub fn cut(&self, one: SocketAddr, other: SocketAddr) {
        self.conditions().cut.insert(ordered(one, other));
    }

    /// Removes all partitions and cuts.
    pub fn heal(&self) {
        let mut conditions = self.conditions();
        conditions.groups.clear();
        conditions.cut.clear();
    }

    fn conditions(&self) -> MutexGuard<'_, LinkConditions> {
        self.conditions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SimulatedNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedNetwork").finish_non_exhaustive()
    }
}

impl LinkConditions {
    fn loses(&mut self, from: SocketAddr, to: SocketAddr) -> bool {
        let side = |address| self.groups.get(&address).copied().unwrap_or_default();
        side(from) != side(to)
            || self.cut.contains(&ordered(from, to))
            || self.rng.f64() < self.loss
    }

    fn random_delay(&mut self) -> Duration {
        let (from, to) = (self.delay.start(), self.delay.end());
        from.saturating_add(to.saturating_sub(*from).mul_f64(self.rng.f64()))
    }
}

#[async_trait]
impl GossipTransport for SimulatedNetwork {
    async fn bind(&self, listen: SocketAddr) -> anyhow::Result<Box<dyn BoundSocket>> {
        let inner = self.channels.open(listen).await?;
        let address = inner.local_addr()?;
        Ok(Box::new(SimulatedSocket {
            inner,
            address,
            network: self.clone(),
            in_flight: BTreeMap::new(),
            sent: 0,
            metrics: Arc::default(),
        }))
    }
}

struct SimulatedSocket {
    inner: Box<dyn Socket>,
    address: SocketAddr,
    network: SimulatedNetwork,
    /// Datagrams sent to this socket, by time of arrival and order of sending.
    in_flight: BTreeMap<(Instant, u64), RecvOutcome>,
    sent: u64,
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
        let lost = self.network.conditions().loses(self.address, to);
        let begins_round = matches!(envelope.message, ChitchatMessage::Syn { .. });
        let outcome = self
            .inner
            .send(if lost { NOWHERE } else { to }, envelope)
            .await?;
        self.metrics.count_sent(outcome.num_bytes_sent);
        if begins_round {
            // The message is a digest and little more.
            self.metrics.set_digest_bytes(outcome.num_bytes_sent);
        }
        Ok(outcome)
    }

    // Datagrams that are due are returned without a timer, which would round their time up.
    async fn recv(&mut self) -> anyhow::Result<RecvOutcome> {
        loop {
            if let Some(outcome) = self.next_due(Instant::now()) {
                self.metrics.count_received(outcome.num_bytes_received);
                return Ok(outcome);
            }
            let next = self.in_flight.first_key_value().map(|(key, _)| key.0);
            tokio::select! {
                outcome = self.inner.recv() => {
                    let now = Instant::now();
                    let due = now.checked_add(self.network.conditions().random_delay()).unwrap_or(now);
                    self.sent = self.sent.wrapping_add(1);
                    self.in_flight.insert((due, self.sent), outcome?);
                }
                () = until(next) => {}
            }
        }
    }
}

impl SimulatedSocket {
    fn next_due(&mut self, now: Instant) -> Option<RecvOutcome> {
        let next = self.in_flight.first_entry()?;
        (next.key().0 <= now).then(|| next.remove())
    }
}

fn ordered(one: SocketAddr, other: SocketAddr) -> (SocketAddr, SocketAddr) {
    (one.min(other), one.max(other))
}
