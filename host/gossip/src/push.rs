//! Eager push: a change is a rumour that every member passes on at once.
//!
//! Ordinary gossip takes about an interval and a half to reach a hundred members. So whoever writes
//! a record or takes over a newer one gossips with three others at once. The third part of it is
//! the tail: with three others at random, one member in twenty is chosen by nobody and waits for
//! ordinary gossip. One of the three is therefore the next live node id: this ring reaches
//! everybody, and the two at random make it fast.
//!
//! A budget keeps a storm of changes from becoming a storm of rounds. What is over it is not lost:
//! several changes share the next round.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use chitchat::ChitchatHandle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::topology::Neighbour;
use super::traffic::TrafficCounters;

#[cfg(test)]
mod tests;

/// How many others are told of a change.
const FANOUT: usize = 3;
/// What of a round passes before its own contents: both sides send a digest of all members.
const DIGESTS_A_PEER: u64 = 2;

/// How much may be spent on telling others of changes at once. Ordinary gossip comes on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushBudget {
    /// Rounds a second, and in one go after a silence. 0 turns eager push off. Default: 10.
    pub rounds_per_second: u32,
    /// Bytes of digests a second, both directions together, and in one go after a silence. A round
    /// that takes more than a second's worth waits until there is that much. Default: 1 MiB.
    pub digest_bytes_per_second: u32,
}

impl PushBudget {
    /// Changes travel with ordinary gossip alone.
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

/// Begins rounds after changes.
#[derive(Debug)]
pub(super) struct Pusher {
    own_node_id: u64,
    neighbours: Arc<ArcSwap<Vec<Neighbour>>>,
    traffic: Arc<TrafficCounters>,
    rng: fastrand::Rng,
    rounds: Bucket,
    bytes: Bucket,
}

impl Pusher {
    pub(super) fn new(
        own_node_id: u64,
        budget: PushBudget,
        neighbours: Arc<ArcSwap<Vec<Neighbour>>>,
        traffic: Arc<TrafficCounters>,
    ) -> Self {
        Self {
            own_node_id,
            neighbours,
            traffic,
            rng: fastrand::Rng::new(),
            rounds: Bucket::new(budget.rounds_per_second),
            bytes: Bucket::new(budget.digest_bytes_per_second),
        }
    }

    /// Begins a round after every change, or after several. Never ends.
    pub(super) async fn run(&mut self, handle: &ChitchatHandle, changed: &Notify) {
        loop {
            changed.notified().await;
            let peers = self.choose();
            if !peers.is_empty() && self.afford(peers.len()).await {
                debug!(peers = peers.len(), "pushing a change");
                begin(handle, &peers);
                self.traffic.pushed();
            }
        }
    }

    /// The next live node id after the own one, and others at random.
    fn choose(&mut self) -> Vec<SocketAddr> {
        let neighbours = self.neighbours.load();
        let after = neighbours.partition_point(|other| other.node_id <= self.own_node_id);
        let mut places: Vec<usize> = (0..neighbours.len()).collect();
        // After the highest node id comes the lowest.
        places.rotate_left(if after < neighbours.len() { after } else { 0 });
        if let Some((_, others)) = places.split_first_mut() {
            self.rng.shuffle(others);
        }
        places
            .iter()
            .take(FANOUT)
            .filter_map(|place| neighbours.get(*place))
            .map(|neighbour| neighbour.address)
            .collect()
    }

    /// Waits until a round is within the budget. False if it never will be.
    async fn afford(&mut self, peers: usize) -> bool {
        let peers = u64::try_from(peers).unwrap_or(u64::MAX);
        let bytes = self
            .traffic
            .digest_bytes()
            .saturating_mul(DIGESTS_A_PEER)
            .saturating_mul(peers);
        let now = Instant::now();
        let (Some(one), Some(other)) = (self.rounds.take(1, now), self.bytes.take(bytes, now))
        else {
            return false;
        };
        let due = now.checked_add(one.max(other)).unwrap_or(now);
        sleep_until(due).await;
        true
    }
}

/// Begins a round with each of these. The server sends as soon as it is free.
pub(super) fn begin(handle: &ChitchatHandle, peers: &[SocketAddr]) {
    for peer in peers {
        // Fails if the server has ended, which others notice.
        let _ = handle.gossip(*peer);
    }
}

/// A budget that fills up at a rate, to at most one second's worth.
#[derive(Debug)]
struct Bucket {
    per_second: u64,
    /// When it is full again. What is taken moves this away from the present.
    full_at: Option<Instant>,
}

impl Bucket {
    fn new(per_second: u32) -> Self {
        Self {
            per_second: per_second.into(),
            full_at: None,
        }
    }

    /// Takes so much, and answers how long to wait before it is there. Never more than a second's
    /// worth is taken, so that everything is affordable sometime. `None` where nothing ever is.
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
