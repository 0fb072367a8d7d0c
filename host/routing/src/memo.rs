//! The memo: the three best nodes of every slot, for one asker.
//!
//! It only remembers what a scan finds, and always gives the same answer. It is made however few candidates
//! there are: to scan ten takes 200 ns, twenty lookups in a map.
//!
//! It is never changed. The next one begins as a copy: 1.5 MiB in a fraction of the time that the scores of a change
//! take. Sharing untouched parts would save nothing, since a node has slots everywhere.

use super::geo::Asker;
use super::hash::{SLOTS, slot_hash};
use super::roster::{Index, Roster};
use super::scan::Best;

/// Nodes that are remembered of a slot. Lookups of more are scans.
pub(super) const MEMOISED: usize = 3;

/// Where there are fewer nodes than places. It is no index: there are fewer candidates.
const NOBODY: Index = Index::MAX;

pub(super) type Slot = [Index; MEMOISED];

#[derive(Debug, Default)]
pub(super) struct Memo {
    /// All slots, or none if there are no candidates.
    slots: Box<[Slot]>,
}

/// What a roster differs by from the one before.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// By index: whether what is remembered of the node that had it holds no more.
    stale: Vec<bool>,
    /// Nodes that are new, or not as before.
    fresh: Vec<Index>,
    /// How many of both.
    touched: usize,
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

    /// This memo after a change, for the same asker: scans the slots that list a stale node, and offers the
    /// fresh ones to the others.
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

    /// The best nodes of a slot, and after the last of them what is no index.
    #[inline]
    pub(super) fn best(&self, slot: u32) -> Slot {
        let nodes = self.slots.get(slot as usize);
        nodes.copied().unwrap_or([NOBODY; MEMOISED])
    }

    /// The memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.slots)
    }
}

impl Difference {
    /// The node that had this index left, or is not as before.
    pub(super) fn set_stale(&mut self, index: Index) {
        let place = usize::from(index);
        if self.stale.len() <= place {
            self.stale.resize(place.saturating_add(1), false);
        }
        if let Some(stale) = self.stale.get_mut(place) {
            *stale = true;
        }
        self.touched = self.touched.saturating_add(1);
    }

    /// The node that has this index joined, or is not as before.
    pub(super) fn set_fresh(&mut self, index: Index) {
        self.fresh.push(index);
        self.touched = self.touched.saturating_add(1);
    }

    /// How much there is to do for it.
    pub(super) fn touched(&self) -> usize {
        self.touched
    }

    #[inline]
    fn is_stale(&self, index: Index) -> bool {
        self.stale.get(usize::from(index)) == Some(&true)
    }
}

fn slot_of(best: &Best) -> Slot {
    let mut nodes = [NOBODY; MEMOISED];
    for (place, index) in nodes.iter_mut().zip(best.indexes()) {
        *place = index;
    }
    nodes
}

/// Puts a node in its place among those of a slot, if it has one.
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
