//! The scan: the best nodes of a slot, straight from the candidates.
//!
//! What a memo holds was found by this, and what no memo holds is. It takes no memory.

use super::hash::{pair_hash, slot_hash};
use super::replicas::{REPLICAS_MAX, Replicas};
use super::roster::{Index, Node, Tiers};
use super::score::{Rate, Standing, distance};

/// The best nodes that a scan has met, best first.
#[derive(Debug)]
pub(super) struct Best {
    places: [Place; REPLICAS_MAX],
    len: usize,
    /// How many are wanted.
    want: usize,
    /// How many of them are of nearer tiers than the one that is scanned, and stay where they are.
    settled: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    standing: Standing,
    index: Index,
}

impl Best {
    /// None yet of `want` nodes, of which there are at most [`REPLICAS_MAX`].
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
        let slot_hash = slot_hash(slot);
        self.len = 0;
        for tier in tiers {
            self.settled = self.len;
            if self.len == self.want {
                return;
            }
            for nodes in tier {
                self.scan(nodes, slot_hash);
            }
        }
    }

    /// The nodes that were found.
    pub(super) fn replicas(&self) -> Replicas {
        Replicas::new(self.places.map(|place| place.standing.node_id), self.len)
    }

    /// Their indexes.
    pub(super) fn indexes(&self) -> impl Iterator<Item = Index> {
        let found = self.places.get(..self.len).unwrap_or_default();
        found.iter().map(|place| place.index)
    }

    /// Goes through nodes of a tier. Most of them are not good enough, and cost one hash and one comparison.
    fn scan(&mut self, nodes: &[Node], slot_hash: u64) {
        let mut rate = self.rate();
        for node in nodes {
            let hash = pair_hash(slot_hash, node.hash);
            if rate.excludes(hash, node.weight) {
                continue;
            }
            let standing = Standing {
                distance: distance(hash),
                weight: node.weight,
                node_id: node.id,
            };
            let index = node.index;
            if self.offer(Place { standing, index }) {
                rate = self.rate();
            }
        }
    }

    /// What a node must not exceed to be good enough.
    fn rate(&self) -> Rate {
        let contested = self.places.get(self.settled..self.len).unwrap_or_default();
        match contested.last() {
            Some(last) if self.len == self.want => Rate::of(&last.standing),
            _ => Rate::ANY,
        }
    }

    /// Takes the node in if it is good enough.
    #[inline]
    fn offer(&mut self, new: Place) -> bool {
        let beaten = |old: &Place| new.standing.beats(&old.standing);
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
