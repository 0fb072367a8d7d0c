//! Eager push: gossip with three peers right after a change.
//!
//! Ordinary gossip takes about one and a half intervals to reach a hundred members. A member that
//! writes a value, or receives a newer one, therefore starts a round with three peers at once. Three
//! random peers would leave out one member in twenty, which then waits for ordinary gossip. So one of
//! the three is always the next live node id: this ring reaches every member, and the two random
//! peers make it fast.
//!
//! A [`PushBudget`] limits rounds and bytes. Changes over the budget are not lost: they share the
//! next round.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chitchat::ChitchatHandle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use crate::membership::Membership;

#[cfg(test)]
mod tests;

/// Number of peers that receive a change at once.
const FANOUT: usize = 3;
/// Digests that a round costs per peer: each side sends one.
const DIGESTS_PER_PEER: u64 = 2;

/// Limits of eager push: gossip that starts right after a change. Ordinary gossip comes on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushBudget {
    /// Rounds per second, and the largest burst. 0 turns eager push off. Default: 10.
    pub rounds_per_second: u32,
    /// Digest bytes per second, both directions together, and the largest burst. A round that needs
    /// more waits for a full bucket. Default: 1 MiB.
    pub digest_bytes_per_second: u32,
}

impl PushBudget {
    /// No eager push: changes travel with ordinary gossip only.
    pub const OFF: Self = Self {
        rounds_per_second: 0,
        digest_bytes_per_second: 0,
    };
}

impl Default for PushBudget {
    fn default() -> Self {
        Self {
            rounds_per_second: 10,
            digest_bytes_per_second: 1024 * 1024,
        }
    }
}

/// Starts rounds after changes.
#[derive(Debug)]
pub(crate) struct Pusher {
    own_node_id: u64,
    membership: Arc<Membership>,
    rng: fastrand::Rng,
    rounds: TokenBucket,
    bytes: TokenBucket,
}

impl Pusher {
    pub(crate) fn new(own_node_id: u64, budget: PushBudget, membership: Arc<Membership>) -> Self {
        Self {
            own_node_id,
            membership,
            rng: fastrand::Rng::new(),
            rounds: TokenBucket::new(budget.rounds_per_second),
            bytes: TokenBucket::new(budget.digest_bytes_per_second),
        }
    }

    /// Starts a round after each change or burst of changes. Never returns.
    pub(crate) async fn run(&mut self, handle: &ChitchatHandle, changed: &Notify) {
        loop {
            changed.notified().await;
            let peers = self.choose();
            if !peers.is_empty() && self.wait_for_budget(peers.len()).await {
                debug!(peers = peers.len(), "pushing a change");
                start_rounds(handle, &peers);
                self.membership.metrics.pushes.inc();
            }
        }
    }

    /// Selects the live peer with the next node id, and two random ones.
    fn choose(&mut self) -> Vec<SocketAddr> {
        let view = self.membership.view.load();
        let mut peers: Vec<_> = view.alive().collect();
        let after = peers.partition_point(|other| other.node_id <= self.own_node_id);
        // The ring closes: the lowest node id follows the highest.
        let next = if after < peers.len() { after } else { 0 };
        peers.rotate_left(next);
        if let Some((_, others)) = peers.split_first_mut() {
            self.rng.shuffle(others);
        }
        peers.iter().take(FANOUT).map(|peer| peer.address).collect()
    }

    /// Waits until the budget covers a round with this number of peers. Returns `false` if the
    /// budget is 0.
    async fn wait_for_budget(&mut self, peers: usize) -> bool {
        let peers = u64::try_from(peers).unwrap_or(u64::MAX);
        let bytes = self
            .membership
            .metrics
            .digest_bytes
            .get()
            .saturating_mul(DIGESTS_PER_PEER)
            .saturating_mul(peers);
        let now = Instant::now();
        let (Some(for_rounds), Some(for_bytes)) =
            (self.rounds.take(1, now), self.bytes.take(bytes, now))
        else {
            return false;
        };
        let due = now.checked_add(for_rounds.max(for_bytes)).unwrap_or(now);
        sleep_until(due).await;
        true
    }
}

/// A token bucket that holds at most one second's worth of tokens.
#[derive(Debug)]
struct TokenBucket {
    per_second: u64,
    /// Time at which the bucket is full again. Each withdrawal moves it later.
    full_at: Option<Instant>,
}

impl TokenBucket {
    fn new(per_second: u32) -> Self {
        Self {
            per_second: per_second.into(),
            full_at: None,
        }
    }

    /// Withdraws tokens and returns the time to wait until they are covered.
    ///
    /// An amount above one second's worth is cut to that, so every amount is affordable at some
    /// time. Returns `None` for a bucket of rate 0.
    fn take(&mut self, amount: u64, now: Instant) -> Option<Duration> {
        const SECOND: Duration = Duration::from_secs(1);
        let amount = amount.min(self.per_second);
        let cost = Duration::from_nanos(
            amount
                .saturating_mul(1_000_000_000)
                .checked_div(self.per_second)?,
        );
        let full_at = self.full_at.map_or(now, |at| at.max(now));
        let full_at = full_at.checked_add(cost).unwrap_or(full_at);
        self.full_at = Some(full_at);
        Some(full_at.duration_since(now).saturating_sub(SECOND))
    }
}

/// Starts a round with each of these peers. The server sends when it is idle.
pub(crate) fn start_rounds(handle: &ChitchatHandle, peers: &[SocketAddr]) {
    for peer in peers {
        // Fails only if the server has ended, which the member task notices.
        let _ = handle.gossip(*peer);
    }
}
