//! The last datagram of each address that this member could read.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::keyring::KeyId;

/// The most addresses that are remembered; the one that is silent for longest makes room.
const ADDRESSES_MAX: usize = 4_096;

/// The last datagram of an address that this member could read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Time of its arrival, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The key that sealed it. `None` without encryption.
    pub key: Option<KeyId>,
}

/// The last datagrams of all addresses.
#[derive(Debug, Default)]
pub(crate) struct HeardFrom(Mutex<HashMap<SocketAddr, Heard>>);

impl HeardFrom {
    /// Notes a datagram.
    pub(crate) fn note(&self, from: SocketAddr, heard: Heard) {
        let mut all = self.lock();
        if all.len() >= ADDRESSES_MAX && !all.contains_key(&from) {
            let oldest = all.iter().min_by_key(|(_, heard)| heard.at_ms);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                all.remove(&oldest);
            }
        }
        all.insert(from, heard);
    }

    /// Returns the last datagram of an address.
    pub(crate) fn last(&self, from: SocketAddr) -> Option<Heard> {
        self.lock().get(&from).copied()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Heard>> {
        // Each change is one insertion or removal.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
