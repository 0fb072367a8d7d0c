//! The scan: finds the best nodes of a slot among all candidates.
//!
//! Scans answer lookups that no memo covers. Those that fill a memo begin with what a sieve lets through. A scan
//! allocates no memory.

use std::mem::swap;

use super::hash::{pair_hash, slot_hash};
use super::roster::{Index, Node, Tiers};
use super::score::{Rate, Score};
use super::sieve::Sieve;
use crate::types::{NodeId, REPLICAS_MAX, Replicas};

/// The best nodes that a scan has found so far, best first.
#[derive(Debug)]
pub(super) struct Best {
    places: [Place; REPLICAS_MAX],
    len: usize,
    /// Number of wanted nodes.
    want: usize,
    /// Number of nodes from nearer tiers, which keep their places.
    settled: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    score: Score,
    index: Index,
}

impl Best {
    /// Starts a search for `want` nodes, at most [`REPLICAS_MAX`].
    pub(super) fn new(want: usize) -> Self {
        Self {
            places: Default::default(),
            len: 0,
            want: want.min(REPLICAS_MAX),
            settled: 0,
        }
    }

    /// Finds the best nodes of a slot.
    pub(super) fn find(&mut self, tiers: &Tiers<'_>, slot: u32) {
        self.find_among(tiers, slot, |_| true);
    }

    /// Finds the best nodes of a slot among those for which `is_eligible` is true.
    pub(super) fn find_among(
        &mut self,
        tiers: &Tiers<'_>,
        slot: u32,
        is_eligible: impl Fn(NodeId) -> bool,
    ) {
        let slot_hash = slot_hash(slot);
        self.clear();
        for tier in tiers {
            self.settled = self.len;
            if self.len == self.want {
                return;
            }
            for nodes in tier {
                self.scan(nodes, slot_hash, &is_eligible);
            }
        }
    }

    /// Starts over.
    pub(super) fn clear(&mut self) {
        (self.len, self.settled) = (0, 0);
    }

    /// Adds the best nodes of the next tier, of which its sieve let those at these places through.
    pub(super) fn add_passed(&mut self, sieve: &Sieve, passed: &[usize], slot_hash: u64) {
        self.settled = self.len;
        for node in passed.iter().filter_map(|place| sieve.nodes.get(*place)) {
            self.offer(Place::of(node, pair_hash(slot_hash, node.hash)));
        }
        if self.rate() >= sieve.rate {
            // Nodes that were held back may be among the best.
            self.len = self.settled;
            self.scan(&sieve.nodes, slot_hash, |_| true);
        }
    }

    /// Returns the bound that excludes nodes behind the last found one.
    pub(super) fn rate(&self) -> Rate {
        let contested = self.places.get(self.settled..self.len).unwrap_or_default();
        match contested.last() {
            Some(last) if self.len == self.want => Rate::of(&last.score),
            _ => Rate::ANY,
        }
    }

    /// Returns the found nodes.
    pub(super) fn replicas(&self) -> Replicas {
        Replicas::new(self.places.map(|place| place.score.node_id), self.len)
    }

    /// Returns the indexes of the found nodes.
    pub(super) fn indexes(&self) -> impl Iterator<Item = Index> {
        let found = self.places.get(..self.len).unwrap_or_default();
        found.iter().map(|place| place.index)
    }

    /// Scans nodes of a tier. Most of them are excluded by one hash and one comparison.
    fn scan(&mut self, nodes: &[Node], slot_hash: u64, is_eligible: impl Fn(NodeId) -> bool) {
        let mut rate = self.rate();
        for node in nodes {
            let hash = pair_hash(slot_hash, node.hash);
            if rate.excludes(hash, node.weight) || !is_eligible(node.id) {
                continue;
            }
            if self.offer(Place::of(node, hash)) {
                rate = self.rate();
            }
        }
    }

    /// Inserts a node, if it is among the best.
    #[inline]
    fn offer(&mut self, mut new: Place) -> bool {
        let is_full = self.len == self.want;
        let contested = self.places.get_mut(self.settled..self.len);
        let contested = contested.unwrap_or_default();
        if is_full && contested.last().is_none_or(|last| !new.beats(last)) {
            return false;
        }
        for place in contested {
            if new.beats(place) {
                swap(&mut new, place);
            }
        }
        if !is_full && let Some(free) = self.places.get_mut(self.len) {
            *free = new;
            self.len = self.len.saturating_add(1);
        }
        true
    }
}

impl Place {
    #[inline]
    fn of(node: &Node, hash: u64) -> Self {
        Self {
            score: node.score(hash),
            index: node.index,
        }
    }

    #[inline]
    fn beats(&self, other: &Self) -> bool {
        self.score.beats(&other.score)
    }
}
