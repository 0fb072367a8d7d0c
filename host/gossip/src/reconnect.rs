//! Reconnection to missing peers.
//!
//! chitchat forgets a dead member after its grace period. Two halves of a cluster that were
//! partitioned for longer would never meet again, unless a seed sees both. So peer addresses are
//! stored, also over restarts, and a missing peer is called every 30 seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chitchat::ChitchatHandle;
use tokio::time;
use tracing::{debug, warn};

use crate::clock::now_ms;
use crate::membership::Membership;
use crate::memory::{GossipMemory, KnownAddress, run_blocking};
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
    membership: Arc<Membership>,
    known: BTreeMap<u64, KnownAddress>,
    stored: BTreeMap<u64, KnownAddress>,
    rng: fastrand::Rng,
}

impl Reconnect {
    pub(crate) fn new(memory: Arc<dyn GossipMemory>, membership: Arc<Membership>) -> Self {
        Self {
            memory,
            membership,
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
            let is_alone = self.membership.view.load().alive().next().is_none();
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
        for member in self.membership.view.load().alive() {
            let known = KnownAddress {
                node_id: member.node_id,
                address: member.address,
                seen_ms: now_ms,
            };
            self.known.insert(member.node_id, known);
        }
        self.known
            .retain(|_, seen| age(seen, now_ms) < FORGET_AFTER);
        while self.known.len() > ADDRESSES_MAX {
            let oldest = self.known.iter().min_by_key(|(_, seen)| seen.seen_ms);
            let Some((&oldest, _)) = oldest else { return };
            self.known.remove(&oldest);
        }
    }

    /// Returns the addresses of peers that are not live, in random order.
    fn missing(&mut self) -> Vec<SocketAddr> {
        let view = self.membership.view.load();
        let live: BTreeSet<u64> = view.alive().map(|member| member.node_id).collect();
        let mut missing: Vec<_> = self
            .known
            .iter()
            .filter(|(node_id, _)| !live.contains(node_id))
            .map(|(_, seen)| seen.address)
            .collect();
        self.rng.shuffle(&mut missing);
        missing
    }

    async fn load(&mut self) {
        let memory = Arc::clone(&self.memory);
        match run_blocking(move || memory.addresses()).await {
            Ok(addresses) => {
                let stored = addresses.into_iter().map(|known| (known.node_id, known));
                self.stored = stored.collect();
                for (node_id, known) in &self.stored {
                    self.known.entry(*node_id).or_insert(*known);
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
        let addresses: Vec<_> = self.known.values().copied().collect();
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
                    before.address != seen.address || age(before, seen.seen_ms) >= STORE_AGAIN_AFTER
                })
            })
    }
}

fn age(seen: &KnownAddress, now_ms: u64) -> Duration {
    Duration::from_millis(now_ms.saturating_sub(seen.seen_ms))
}
