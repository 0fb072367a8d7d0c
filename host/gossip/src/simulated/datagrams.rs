//! Sockets of a simulated network of datagrams.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::conditions::Conditions;
use super::in_flight::InFlight;

/// A datagram with its sender.
type Datagram = (SocketAddr, Box<[u8]>);

/// The bound addresses of a network. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Addresses(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    bound: HashMap<SocketAddr, mpsc::UnboundedSender<Datagram>>,
    /// Number of datagrams sent, and the bytes in them.
    sent: (u64, u64),
}

/// A bound address.
pub(crate) struct SimulatedDatagrams {
    pub(crate) address: SocketAddr,
    addresses: Addresses,
    conditions: Conditions,
    arrivals: mpsc::UnboundedReceiver<Datagram>,
    in_flight: InFlight<Datagram>,
}

impl Addresses {
    /// Binds an address.
    pub(super) fn bind(
        &self,
        address: SocketAddr,
        conditions: Conditions,
    ) -> io::Result<SimulatedDatagrams> {
        let (sender, arrivals) = mpsc::unbounded_channel();
        let bound = &mut self.lock().bound;
        if bound.contains_key(&address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        bound.insert(address, sender);
        Ok(SimulatedDatagrams {
            address,
            addresses: self.clone(),
            conditions,
            arrivals,
            in_flight: InFlight::default(),
        })
    }

    pub(super) fn sent(&self) -> (u64, u64) {
        self.lock().sent
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimulatedDatagrams {
    /// Sends a datagram, which may be lost.
    pub(crate) fn send_to(&self, datagram: &[u8], to: SocketAddr) -> usize {
        let is_lost = self.conditions.lock().loses(self.address, to);
        let mut inner = self.addresses.lock();
        let (datagrams, bytes) = inner.sent;
        let length = u64::try_from(datagram.len()).unwrap_or(u64::MAX);
        inner.sent = (datagrams.saturating_add(1), bytes.saturating_add(length));
        if let (false, Some(peer)) = (is_lost, inner.bound.get(&to)) {
            // Fails while the peer closes its socket.
            let _ = peer.send((self.address, datagram.into()));
        }
        datagram.len()
    }

    /// Receives a datagram, or as much of it as the buffer holds. Cancel safe.
    pub(crate) async fn recv_from(&mut self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        loop {
            if let Some((from, datagram)) = self.in_flight.next_due(Instant::now()) {
                let read = buffer.iter_mut().zip(datagram.iter());
                read.for_each(|(to, byte)| *to = *byte);
                return Ok((datagram.len().min(buffer.len()), from));
            }
            tokio::select! {
                datagram = self.arrivals.recv() => {
                    let datagram = datagram.ok_or(io::ErrorKind::NotConnected)?;
                    let delay = self.conditions.lock().random_delay();
                    self.in_flight.add(datagram, delay);
                }
                () = self.in_flight.until_due() => {}
            }
        }
    }
}

impl Drop for SimulatedDatagrams {
    fn drop(&mut self) {
        self.addresses.lock().bound.remove(&self.address);
    }
}
