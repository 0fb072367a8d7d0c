//! Invalid datagrams, and a sender that is slow enough for all to be read.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::gossip_node::unread;

/// The largest datagram that UDP can carry.
const DATAGRAM_BYTES_MAX: usize = 65_507;
/// Number of datagrams between two checks of the receiver's queue.
const BURST: usize = 16;
/// Above this many bytes in a burst the next look comes early.
const BURST_BYTES: usize = 32 * 1024;
/// Queued bytes at the receiver from which the sender waits. The system drops what is over 200 KiB.
const WAITING_BYTES_MAX: u64 = 48 * 1024;
/// Maximum time for the receiver to empty its queue.
const READ_WITHIN: Duration = Duration::from_secs(20);

/// Garbage made of real datagrams.
pub(super) struct Garbage {
    pub(super) random: Rng,
    /// Datagrams that the receiver itself has sent or received.
    pub(super) own: Vec<Vec<u8>>,
    /// Datagrams of others, which are none of its business.
    pub(super) others: Vec<Vec<u8>>,
}

impl Garbage {
    pub(super) fn next(&mut self) -> Vec<u8> {
        match self.random.u8(..16) {
            0..4 => self.noise(),
            4..9 => self.mutated(),
            9..12 => self.random.choice(&self.own).unwrap().clone(),
            _ => self.random.choice(&self.others).unwrap().clone(),
        }
    }

    /// Random bytes, of a random number of digits.
    fn noise(&mut self) -> Vec<u8> {
        let most = 1 << self.random.u32(0..=16);
        let length = self.random.usize(0..=DATAGRAM_BYTES_MAX.min(most));
        let mut bytes = vec![0; length];
        self.random.fill(&mut bytes);
        bytes
    }

    fn mutated(&mut self) -> Vec<u8> {
        let random = &mut self.random;
        let mut bytes = random.choice(&self.own).unwrap().clone();
        for _ in 0..random.usize(1..=4) {
            let place = random.usize(..=bytes.len());
            match random.u8(..8) {
                0 => bytes.truncate(place),
                1 => bytes.insert(place, random.u8(..)),
                2 => bytes.extend(std::iter::repeat_n(random.u8(..), random.usize(..64))),
                3 => {
                    let end = random.usize(place..=bytes.len());
                    let slice = bytes[place..end].to_vec();
                    bytes.splice(place..place, slice);
                }
                4 => {
                    let end = (place + 8).min(bytes.len());
                    bytes[place..end].fill(0xff);
                }
                _ => {
                    if let Some(byte) = bytes.get_mut(place) {
                        *byte ^= 1 << random.u8(..8);
                    }
                }
            }
        }
        bytes.truncate(DATAGRAM_BYTES_MAX);
        bytes
    }
}

/// Sends no faster than the receiver reads.
pub(super) struct Sender {
    socket: UdpSocket,
    to: SocketAddr,
    unseen: usize,
    unseen_bytes: usize,
}

impl Sender {
    pub(super) fn new(to: SocketAddr) -> Self {
        Self {
            socket: UdpSocket::bind((to.ip(), 0)).unwrap(),
            to,
            unseen: 0,
            unseen_bytes: 0,
        }
    }

    /// Sends a datagram, and waits where too many are still to be read.
    pub(super) fn send(&mut self, datagram: &[u8]) {
        self.socket.send_to(datagram, self.to).unwrap();
        self.unseen += 1;
        self.unseen_bytes += datagram.len();
        if self.unseen >= BURST || self.unseen_bytes >= BURST_BYTES {
            self.wait(WAITING_BYTES_MAX);
        }
    }

    /// Waits until everything has been read.
    pub(super) fn finish(&mut self) {
        self.wait(0);
    }

    /// Returns the number of datagrams that the system dropped because the receiver was too slow.
    pub(super) fn lost(&self) -> u64 {
        unread(self.to).1
    }

    fn wait(&mut self, waiting_max: u64) {
        let start = Instant::now();
        while unread(self.to).0 > waiting_max {
            assert!(start.elapsed() < READ_WITHIN, "nobody reads at {}", self.to);
            std::thread::yield_now();
        }
        self.unseen = 0;
        self.unseen_bytes = 0;
    }
}
