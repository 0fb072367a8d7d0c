//! Finding back: addresses of peers that were live once are tried again and again.
//!
//! chitchat forgets a dead member after its grace period. Two halves of a cluster that could not
//! reach each other for longer would stay apart for ever, unless a seed sees both. So the addresses
//! of peers are remembered, over restarts too, and one of those that are missing is called now and
//! then.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use chitchat::ChitchatHandle;
use tokio::task;
use tokio::time;
use tracing::{debug, warn};

use super::config::now_ms;
use super::memory::{GossipMemory, KnownAddress, MemoryError};
use super::push;
use super::topology::Neighbour;

/// The pause between two calls to a missing peer.
const PAUSE: Duration = Duration::from_secs(30);
/// The same while no peer is live at all.
const PAUSE_ALONE: Duration = Duration::from_secs(5);
/// How long a missing peer is called.
const FORGET_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// How many peers are called at the start.
const FIRST_CALLS: usize = 3;
/// How many addresses are remembered; the longest missing ones go first.
const ADDRESSES_MAX: usize = 2_048;
/// How old the remembered time of a live peer may get: times are written with changes only.
const REMEMBER_AGAIN: Duration = Duration::from_secs(60 * 60);

/// Calls missing peers.
#[derive(Debug)]
pub(super) struct Reconnect {
    memory: Arc<dyn GossipMemory>,
    neighbours: Arc<ArcSwap<Vec<Neighbour>>>,
    known: BTreeMap<u64, Seen>,
    remembered: BTreeMap<u64, Seen>,
    rng: fastrand::Rng,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    address: SocketAddr,
    at_ms: u64,
}

impl Reconnect {
    pub(super) fn new(
        memory: Arc<dyn GossipMemory>,
        neighbours: Arc<ArcSwap<Vec<Neighbour>>>,
    ) -> Self {
        Self {
            memory,
            neighbours,
            known: BTreeMap::new(),
            remembered: BTreeMap::new(),
            rng: fastrand::Rng::new(),
        }
    }

    /// Calls some peers at once and a missing one now and then. Never ends.
    pub(super) async fn run(&mut self, handle: &ChitchatHandle) {
        if self.remembered.is_empty() {
            self.recall().await;
        }
        // Who was live to the server of before has not been met by this one.
        self.look(now_ms());
        let mut calls: Vec<_> = self.known.values().map(|seen| seen.address).collect();
        self.rng.shuffle(&mut calls);
        calls.truncate(FIRST_CALLS);
        push::begin(handle, &calls);
        loop {
            let is_alone = self.neighbours.load().is_empty();
            time::sleep(if is_alone { PAUSE_ALONE } else { PAUSE }).await;
            self.look(now_ms());
            if let Some(address) = self.missing().first() {
                debug!(%address, "calling a missing peer");
                push::begin(handle, &[*address]);
            }
            self.remember().await;
        }
    }

    /// Takes over who is live and forgets who has been missing for long.
    fn look(&mut self, now_ms: u64) {
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

    /// The addresses of peers that are not live, in random order.
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

    async fn recall(&mut self) {
        let memory = Arc::clone(&self.memory);
        match blocking(move || memory.addresses()).await {
            Ok(addresses) => {
                self.remembered = addresses
                    .into_iter()
                    .map(|known| {
                        let seen = Seen {
                            address: known.address,
                            at_ms: known.seen_ms,
                        };
                        (known.node_id, seen)
                    })
                    .collect();
                for (node_id, seen) in &self.remembered {
                    self.known.entry(*node_id).or_insert(*seen);
                }
            }
            Err(error) => warn!(%error, "the addresses of peers cannot be read"),
        }
    }

    /// Remembers what is known if that is something new.
    async fn remember(&mut self) {
        if !self.is_news() {
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
        match blocking(move || memory.remember(&addresses)).await {
            Ok(()) => self.remembered.clone_from(&self.known),
            Err(error) => warn!(%error, "the addresses of peers are not remembered"),
        }
    }

    fn is_news(&self) -> bool {
        self.known.len() != self.remembered.len()
            || self.known.iter().any(|(node_id, seen)| {
                self.remembered.get(node_id).is_none_or(|before| {
                    before.address != seen.address || age(before, seen.at_ms) >= REMEMBER_AGAIN
                })
            })
    }
}

fn age(seen: &Seen, now_ms: u64) -> Duration {
    Duration::from_millis(now_ms.saturating_sub(seen.at_ms))
}

/// Runs what may block where it holds up nobody.
pub(super) async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, MemoryError> + Send + 'static,
) -> Result<T, MemoryError> {
    task::spawn_blocking(run).await?
}
