//! Calls to missing peers, storage of the known ones, and log lines about troubles.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chitchat::ChitchatHandle;
use tokio::time::{self, Instant};
use tracing::{debug, warn};

use crate::clock::now_ms;
use crate::join::Trouble;
use crate::membership::Membership;
use crate::memory::{GossipMemory, run_blocking};
use crate::push::start_rounds;

/// Pause between two calls to missing peers.
const PAUSE: Duration = Duration::from_secs(30);
/// Pause between two calls while no peer is live.
const PAUSE_ALONE: Duration = Duration::from_secs(5);
/// Number of peers that are called at the start.
const FIRST_CALLS_MAX: usize = 3;
/// Minimum time between two writes of the known peers.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// Time between two log lines about the same troubles.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Calls missing peers and stores the known ones.
#[derive(Debug)]
pub(crate) struct Reconnect {
    memory: Arc<dyn GossipMemory>,
    membership: Arc<Membership>,
    peers_min: usize,
}

impl Reconnect {
    pub(crate) fn new(
        memory: Arc<dyn GossipMemory>,
        membership: Arc<Membership>,
        peers_min: usize,
    ) -> Self {
        Self {
            memory,
            membership,
            peers_min,
        }
    }

    /// Calls missing peers, stores known ones and logs troubles. Never returns.
    pub(crate) async fn run(&self, handle: &ChitchatHandle) {
        tokio::join!(self.call(handle), self.store_changes(), self.log_troubles());
    }

    /// Calls a few peers at once, and then a missing one after each pause.
    async fn call(&self, handle: &ChitchatHandle) {
        // Peers that were live before a restart of the server have not met the new one.
        let known = self.membership.known().addresses().collect::<Vec<_>>();
        let mut calls: Vec<_> = known.into_iter().map(|(_, address)| address).collect();
        fastrand::shuffle(&mut calls);
        calls.truncate(FIRST_CALLS_MAX);
        start_rounds(handle, &calls);
        loop {
            let is_alone = self.membership.view.load().alive().next().is_none();
            time::sleep(if is_alone { PAUSE_ALONE } else { PAUSE }).await;
            if let Some(address) = fastrand::choice(self.missing()) {
                debug!(%address, "calling a missing peer");
                start_rounds(handle, &[address]);
            }
        }
    }

    /// Returns the addresses of peers that are not live.
    fn missing(&self) -> Vec<SocketAddr> {
        let view = self.membership.view.load();
        let live: BTreeSet<u64> = view.alive().map(|member| member.node_id).collect();
        let known = self.membership.known();
        let missing = known
            .addresses()
            .filter(|(node_id, _)| !live.contains(node_id));
        missing.map(|(_, address)| address).collect()
    }

    async fn store_changes(&self) {
        loop {
            self.membership.known_changed.notified().await;
            self.store().await;
            time::sleep(STORE_PAUSE).await;
        }
    }

    /// Stores the known peers if they have changed.
    pub(crate) async fn store(&self) {
        let Some(table) = self.membership.known().to_store(Instant::now(), now_ms()) else {
            return;
        };
        let (memory, written) = (Arc::clone(&self.memory), table.clone());
        match run_blocking(move || memory.remember(&written)).await {
            Ok(()) => self.membership.known().set_stored(table),
            Err(error) => warn!(%error, "cannot store the known peers"),
        }
    }

    /// Logs what this member lacks, once a minute.
    async fn log_troubles(&self) {
        let mut logged: Option<(Instant, Vec<&str>)> = None;
        loop {
            let mut troubles = self.membership.troubles(self.peers_min);
            troubles.retain(|trouble| *trouble != Trouble::Joining);
            let kinds: Vec<_> = troubles.iter().map(Trouble::kind).collect();
            let is_due = logged
                .as_ref()
                .is_none_or(|(at, before)| *before != kinds || at.elapsed() >= LOG_INTERVAL);
            if is_due {
                for trouble in &troubles {
                    warn!(trouble = trouble.kind(), "{trouble}");
                }
                logged = Some((Instant::now(), kinds));
            }
            time::sleep(PAUSE_ALONE).await;
        }
    }
}
