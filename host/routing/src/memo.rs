//! A cache of the three best nodes of each slot, for requests from one geo.
//!
//! The memo holds the results of scans. It pays off even for few candidates: a scan of ten takes 200 ns, as
//! long as twenty lookups in a map.
//!
//! A memo is immutable. The next one starts as a copy of 1.5 MiB, which takes a fraction of the time that the
//! scores of a change take. Sharing unchanged parts would save nothing, since each node has slots everywhere.

use super::geo::Asker;
use super::hash::{SLOTS, slot_hash};
use super::roster::{CANDIDATES_MAX, Index, Roster};
use super::scan::Best;

/// Number of cached nodes of a slot. Lookups of more nodes are scans.
pub(super) const MEMOISED: usize = 3;

/// Marks an empty place. There are fewer candidates than this index.
const NONE: Index = Index::MAX;

pub(super) type Slot = [Index; MEMOISED];

#[derive(Debug, Default)]
pub(super) struct Memo {
    /// All slots; empty if there are no candidates.
    slots: Box<[Slot]>,
}

/// The difference between two rosters.
#[derive(Debug)]
pub(super) struct Difference {
    /// By index of the old roster: true for a node that left or changed.
    stale: [bool; CANDIDATES_MAX],
    /// Nodes that joined or changed, by their index in the new roster.
    pub(super) fresh: Vec<Index>,
}

impl Memo {
    /// Scans all slots.
    pub(super) fn build(roster: &Roster, asker: &Asker) -> Self {
        if roster.len() == 0 {
            return Self::default();
        }
        let tiers = roster.tiers(asker);
        let mut best = Best::new(MEMOISED);
        let slots = (0..).take(SLOTS).map(|slot| {
            best.find(&tiers, slot);
            slot_of(&best)
        });
        Self {
            slots: slots.collect(),
        }
    }

    /// Returns the memo after a change, for the same geo.
    ///
    /// Slots with a stale node are scanned; fresh nodes are inserted into the others.
    pub(super) fn after(&self, difference: &Difference, roster: &Roster, asker: &Asker) -> Self {
        if self.slots.is_empty() || roster.len() == 0 {
            return Self::build(roster, asker);
        }
        let tiers = roster.tiers(asker);
        let mut best = Best::new(MEMOISED);
        let mut slots = self.slots.clone();
        for (slot, nodes) in (0..).zip(&mut slots) {
            if nodes.iter().any(|&index| difference.is_stale(index)) {
                best.find(&tiers, slot);
                *nodes = slot_of(&best);
            } else if !difference.fresh.is_empty() {
                let slot_hash = slot_hash(slot);
                for &index in &difference.fresh {
                    offer(nodes, index, roster, asker, slot_hash);
                }
            }
        }
        Self { slots }
    }

    /// Returns the best nodes of a slot, followed by [`NONE`] if there are fewer.
    #[inline]
    pub(super) fn best(&self, slot: u32) -> Slot {
        let nodes = self.slots.get(slot as usize);
        nodes.copied().unwrap_or([NONE; MEMOISED])
    }

    /// Returns the size in memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.slots)
    }
}

impl Default for Difference {
    fn default() -> Self {
        Self {
            stale: [false; CANDIDATES_MAX],
            fresh: Vec::new(),
        }
    }
}

impl Difference {
    /// Marks the node with this old index as left or changed.
    pub(super) fn set_stale(&mut self, index: Index) {
        if let Some(stale) = self.stale.get_mut(usize::from(index)) {
            *stale = true;
        }
    }

    /// Returns the number of marks.
    pub(super) fn touched(&self) -> usize {
        let stale = self.stale.iter().filter(|stale| **stale).count();
        stale.saturating_add(self.fresh.len())
    }

    #[inline]
    fn is_stale(&self, index: Index) -> bool {
        self.stale.get(usize::from(index)) == Some(&true)
    }
}

fn slot_of(best: &Best) -> Slot {
    let mut nodes = [NONE; MEMOISED];
    for (place, index) in nodes.iter_mut().zip(best.indexes()) {
        *place = index;
    }
    nodes
}

/// Inserts a node into a slot, if it is among the best.
#[inline]
fn offer(nodes: &mut Slot, new: Index, roster: &Roster, asker: &Asker, slot_hash: u64) {
    let beaten = |old: &Index| roster.beats(asker, slot_hash, new, *old);
    let worse = nodes.iter().rev().take_while(|&old| beaten(old)).count();
    let place = MEMOISED.saturating_sub(worse);
    if let Some(moved) = nodes.get_mut(place..) {
        moved.rotate_right(1.min(moved.len()));
        if let Some(first) = moved.first_mut() {
            *first = new;
        }
    }
}
