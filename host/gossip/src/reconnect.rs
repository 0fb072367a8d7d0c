//! Reconnection to missing peers.
//!
//! chitchat forgets a dead member after its grace period. Two halves of a cluster that were
//! partitioned for longer would never meet again, unless a seed sees both. So peer addresses are
//! stored, also over restarts, and a missing peer is called every 30 seconds.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use chitchat::ChitchatHandle;
use tokio::time;
use tracing::{debug, warn};

use crate::clock::now_ms;
use crate::memory::{GossipMemory, KnownAddress, run_blocking};
use crate::peers::Neighbour;
use crate::push::start_rounds;

/// Pause between two calls to missing peers.
const PAUSE: Duration = Duration::from_secs(30);
/// Pause between two calls while no peer is live.
const PAUSE_ALONE: Duration = Duration::from_secs(5);
/// Time after which a missing peer is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// Number of peers that are called at the start.
const FIRST_CALLS_MAX: usize = 3;
/// Maximum number of known addresses. Peers missing for longest are forgotten first.
const ADDRESSES_MAX: usize = 2_048;
/// Age at which the stored time of a live peer is written again without another change.
const STORE_AGAIN_AFTER: Duration = Duration::from_secs(60 * 60);

/// Calls missing peers and stores the addresses of all.
#[derive(Debug)]
pub(crate) struct Reconnect {
    memory: Arc<dyn GossipMemory>,
    neighbours: Arc<ArcSwap<Vec<Neighbour>>>,
    known: BTreeMap<u64, Seen>,
    stored: BTreeMap<u64, Seen>,
    rng: fastrand::Rng,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    address: SocketAddr,
    at_ms: u64,
}

impl Reconnect {
    pub(crate) fn new(
        memory: Arc<dyn GossipMemory>,
        neighbours: Arc<ArcSwap<Vec<Neighbour>>>,
    ) -> Self {
        Self {
            memory,
            neighbours,
            known: BTreeMap::new(),
            stored: BTreeMap::new(),
            rng: fastrand::Rng::new(),
        }
    }

    /// Calls a few peers at once, and then a missing one after each pause. Never returns.
    pub(crate) async fn run(&mut self, handle: &ChitchatHandle) {
        if self.stored.is_empty() {
            self.load().await;
        }
        // Peers that were live before a restart of the server have not met the new one.
        self.refresh(now_ms());
        let mut calls: Vec<_> = self.known.values().map(|seen| seen.address).collect();
        self.rng.shuffle(&mut calls);
        calls.truncate(FIRST_CALLS_MAX);
        start_rounds(handle, &calls);
        loop {
            let is_alone = self.neighbours.load().is_empty();
            time::sleep(if is_alone { PAUSE_ALONE } else { PAUSE }).await;
            self.refresh(now_ms());
            if let Some(address) = self.missing().first() {
                debug!(%address, "calling a missing peer");
                start_rounds(handle, &[*address]);
            }
            self.store().await;
        }
    }

    /// Updates the addresses of live peers and forgets those missing for too long.
    fn refresh(&mut self, now_ms: u64) {
        for neighbour in self.neighbours.load().iter() {
            let seen = Seen {
                address: neighbour.address,
                at_ms: now_ms,
            };
            self.known.insert(neighbour.node_id, seen);
        }
        self.known
            .retain(|_, seen| age(seen, now_ms) < FORGET_AFTER);
        while self.known.len() > ADDRESSES_MAX {
            let oldest = self.known.iter().min_by_key(|(_, seen)| seen.at_ms);
            let Some((&oldest, _)) = oldest else { return };
            self.known.remove(&oldest);
        }
    }

    /// Returns the addresses of peers that are not live, in random order.
    fn missing(&mut self) -> Vec<SocketAddr> {
        let live = self.neighbours.load();
        let is_live = |node_id: &u64| {
            live.binary_search_by_key(node_id, |other| other.node_id)
                .is_ok()
        };
        let mut missing: Vec<_> = self
            .known
            .iter()
            .filter(|(node_id, _)| !is_live(node_id))
            .map(|(_, seen)| seen.address)
            .collect();
        self.rng.shuffle(&mut missing);
        missing
    }

    async fn load(&mut self) {
        let memory = Arc::clone(&self.memory);
        match run_blocking(move || memory.addresses()).await {
            Ok(addresses) => {
                self.stored = addresses
                    .into_iter()
                    .map(|known| {
                        let seen = Seen {
                            address: known.address,
                            at_ms: known.seen_ms,
                        };
                        (known.node_id, seen)
                    })
                    .collect();
                for (node_id, seen) in &self.stored {
                    self.known.entry(*node_id).or_insert(*seen);
                }
            }
            Err(error) => warn!(%error, "cannot load the addresses of peers"),
        }
    }

    /// Stores the known addresses if they have changed.
    async fn store(&mut self) {
        if !self.is_changed() {
            return;
        }
        let addresses: Vec<_> = self
            .known
            .iter()
            .map(|(node_id, seen)| KnownAddress {
                node_id: *node_id,
                address: seen.address,
                seen_ms: seen.at_ms,
            })
            .collect();
        let memory = Arc::clone(&self.memory);
        match run_blocking(move || memory.remember(&addresses)).await {
            Ok(()) => self.stored.clone_from(&self.known),
            Err(error) => warn!(%error, "cannot store the addresses of peers"),
        }
    }

    fn is_changed(&self) -> bool {
        self.known.len() != self.stored.len()
            || self.known.iter().any(|(node_id, seen)| {
                self.stored.get(node_id).is_none_or(|before| {
                    before.address != seen.address || age(before, seen.at_ms) >= STORE_AGAIN_AFTER
                })
            })
    }
}

fn age(seen: &Seen, now_ms: u64) -> Duration {
    Duration::from_millis(now_ms.saturating_sub(seen.at_ms))
}
