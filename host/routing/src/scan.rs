//! The scan: finds the best nodes of a slot among all candidates.
//!
//! Scans fill the memos, and answer lookups that no memo covers. A scan allocates no memory.

use super::hash::{pair_hash, slot_hash};
use super::roster::{Index, Node, Tiers};
use super::score::{Rate, Score, distance};
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
        self.len = 0;
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
            let score = Score {
                distance: distance(hash),
                weight: node.weight,
                node_id: node.id,
            };
            let index = node.index;
            if self.offer(Place { score, index }) {
                rate = self.rate();
            }
        }
    }

    /// Returns the bound that excludes nodes behind the last found one.
    fn rate(&self) -> Rate {
        let contested = self.places.get(self.settled..self.len).unwrap_or_default();
        match contested.last() {
            Some(last) if self.len == self.want => Rate::of(&last.score),
            _ => Rate::ANY,
        }
    }

    /// Inserts a node, if it is among the best.
    #[inline]
    fn offer(&mut self, new: Place) -> bool {
        let beaten = |old: &Place| new.score.beats(&old.score);
        let contested = self.places.get(self.settled..self.len).unwrap_or_default();
        let better = contested.iter().take_while(|old| !beaten(old)).count();
        let place = self.settled.saturating_add(better);
        if place >= self.want {
            return false;
        }
        self.len = self.len.saturating_add(1).min(self.want);
        if let Some(moved) = self.places.get_mut(place..self.len) {
            moved.rotate_right(1);
            if let Some(first) = moved.first_mut() {
                *first = new;
            }
        }
        true
    }
}
