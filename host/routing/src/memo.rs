//! A cache of the three best nodes of each slot, for requests from one geo.
//!
//! The memo holds the results of scans. It pays off even for few candidates: a scan of ten takes 100 ns, as
//! long as ten lookups in a map.
//!
//! A memo is immutable. The next one starts as a copy of 2.5 MiB, which takes a fraction of the time that the
//! hashes of a change take. Sharing unchanged parts would save nothing, since each node has slots everywhere.

use std::array;
use std::mem::swap;

use super::geo::{Asker, TIERS};
use super::hash::{SLOTS, pair_hash, slot_hash};
use super::roster::{CANDIDATES_MAX, Index, Node, Roster, Tiers};
use super::scan::Best;
use super::score::{CoarseRate, Rate};
use super::sieve::{GROUP, Passed, Sieve};

/// Number of cached nodes of a slot. Lookups of more nodes are scans.
pub(super) const MEMOISED: usize = 3;

/// Marks an empty place. There are fewer candidates than this index.
const NONE: Index = Index::MAX;

pub(super) type Slot = [Index; MEMOISED];

#[derive(Debug, Default)]
pub(super) struct Memo {
    /// All slots; empty if there are no candidates.
    slots: Box<[Slot]>,
    /// For each slot, the bound that excludes nodes of `last_tier` behind its last node.
    rates: Box<[CoarseRate]>,
    /// Tier of the last node of a slot, the same for all slots: that which fills the places. One past the last tier
    /// if there are fewer nodes than places.
    last_tier: u8,
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
        let mut memo = Self {
            slots: vec![[NONE; MEMOISED]; SLOTS].into(),
            rates: vec![CoarseRate::ANY; SLOTS].into(),
            last_tier: last_tier(&tiers),
        };
        let all: Vec<u32> = (0..).take(SLOTS).collect();
        memo.fill(&all, &tiers);
        memo
    }

    /// Returns the memo after a change of few of its candidates, for the same geo.
    ///
    /// Slots with a stale node are scanned; fresh nodes are inserted into the others.
    pub(super) fn after(&self, difference: &Difference, roster: &Roster, asker: &Asker) -> Self {
        let tiers = roster.tiers(asker);
        let mut memo = Self {
            slots: self.slots.clone(),
            rates: self.rates.clone(),
            last_tier: last_tier(&tiers),
        };
        let stale = memo.insert(self.last_tier, difference, roster, asker);
        memo.fill(&stale, &tiers);
        memo
    }

    /// Scans these slots.
    fn fill(&mut self, slots: &[u32], tiers: &Tiers<'_>) {
        search(slots, tiers, |slot, best| {
            let at = slot as usize;
            if let (Some(nodes), Some(rate)) = (self.slots.get_mut(at), self.rates.get_mut(at)) {
                (*nodes, *rate) = (slot_of(best), best.rate().into());
            }
        });
    }

    /// Inserts the fresh nodes into all slots but those with a stale one, and returns those.
    ///
    /// The last nodes of all slots are of this tier.
    fn insert(
        &mut self,
        last_tier: u8,
        difference: &Difference,
        roster: &Roster,
        asker: &Asker,
    ) -> Vec<u32> {
        let fresh = difference.fresh.iter();
        let fresh: Vec<&Node> = fresh
            .filter_map(|index| roster.node(*index))
            .filter(|node| asker.tier(node.geo) <= last_tier)
            .collect();
        let mut stale = Vec::new();
        let slots = self.slots.iter_mut().zip(&mut self.rates);
        for (slot, (nodes, rate)) in (0..).zip(slots) {
            if nodes.iter().any(|&index| difference.is_stale(index)) {
                stale.push(slot);
                continue;
            }
            let slot_hash = slot_hash(slot);
            for &node in &fresh {
                let hash = pair_hash(slot_hash, node.hash);
                let is_contested = asker.tier(node.geo) == last_tier;
                if is_contested && rate.excludes(hash, node.weight) {
                    continue;
                }
                if offer(nodes, node, roster, asker, slot_hash) {
                    *rate = rate_of(nodes, roster, slot_hash);
                }
            }
        }
        stale
    }

    /// Returns the best nodes of a slot, followed by [`NONE`] if there are fewer.
    #[inline]
    pub(super) fn best(&self, slot: u32) -> Slot {
        let nodes = self.slots.get(slot as usize);
        nodes.copied().unwrap_or([NONE; MEMOISED])
    }

    /// Returns the size in memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.slots).saturating_add(size_of_val(&*self.rates))
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

/// Finds the [`MEMOISED`] best nodes of each of these slots.
pub(super) fn search(slots: &[u32], tiers: &Tiers<'_>, mut found: impl FnMut(u32, &Best)) {
    let sieves = Sieve::of_tiers(tiers, MEMOISED);
    let mut group_best: [Best; GROUP] = array::from_fn(|_| Best::new(MEMOISED));
    let mut passed = Passed::default();
    for group in slots.chunks(GROUP) {
        let hashes: [u64; GROUP] =
            array::from_fn(|at| group.get(at).map_or(0, |slot| slot_hash(*slot)));
        group_best.iter_mut().for_each(Best::clear);
        for sieve in &sieves {
            passed.iter_mut().for_each(Vec::clear);
            sieve.sift(&hashes, &mut passed);
            for ((best, passed), hash) in group_best.iter_mut().zip(&passed).zip(hashes) {
                best.add_passed(sieve, passed, hash);
            }
        }
        for (slot, best) in group.iter().zip(&group_best) {
            found(*slot, best);
        }
    }
}

fn slot_of(best: &Best) -> Slot {
    let mut nodes = [NONE; MEMOISED];
    for (place, index) in nodes.iter_mut().zip(best.indexes()) {
        *place = index;
    }
    nodes
}

/// Returns the tier of the last memoised nodes.
fn last_tier(tiers: &Tiers<'_>) -> u8 {
    let mut missing = MEMOISED;
    for (number, tier) in (0..).zip(tiers) {
        let count = tier.iter().map(|nodes| nodes.len()).sum();
        missing = missing.saturating_sub(count);
        if missing == 0 {
            return number;
        }
    }
    TIERS as u8
}

/// Returns the bound that excludes nodes behind the last of a slot.
fn rate_of(nodes: &Slot, roster: &Roster, slot_hash: u64) -> CoarseRate {
    let last = nodes.last().and_then(|index| roster.node(*index));
    last.map_or(CoarseRate::ANY, |node| {
        Rate::of(&node.score(pair_hash(slot_hash, node.hash))).into()
    })
}

/// Inserts a node into a slot, if it is among the best, and returns whether it is.
#[inline]
fn offer(nodes: &mut Slot, new: &Node, roster: &Roster, asker: &Asker, slot_hash: u64) -> bool {
    let standing = |node: &Node| {
        let score = node.score(pair_hash(slot_hash, node.hash));
        (asker.tier(node.geo), score)
    };
    let (tier, score) = standing(new);
    let is_beaten = |old: &Index| {
        roster.node(*old).is_none_or(|old| {
            let (old_tier, old_score) = standing(old);
            tier < old_tier || tier == old_tier && score.beats(&old_score)
        })
    };
    let worse = nodes.iter().rev().take_while(|old| is_beaten(old)).count();
    let mut moved = new.index;
    for place in nodes.iter_mut().skip(MEMOISED.saturating_sub(worse)) {
        swap(place, &mut moved);
    }
    worse > 0
}
