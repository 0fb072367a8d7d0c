//! The sieve: finds the few nodes of a tier that may be among the best of a slot, many nodes at once.
//!
//! Hashes of all pairs of slots and nodes are nearly all of the work of a whole table. The sieve computes just
//! their top bits, with 32-bit arithmetic in plain loops over [`LANES`] nodes, which the compiler turns into
//! vector instructions: a pair takes a quarter of the time of a hash. `fearless_simd` compiles the loop for
//! several kinds of processors and chooses at run time.
//!
//! A sieve may let through nodes that are not among the best, and never holds back one within its [`Rate`].
//! Scans judge what comes through by the exact scores, so the sieve does not influence a result.

use fearless_simd::{Level, dispatch};

use super::hash::{FACTORS, SHIFTS};
use super::roster::{Node, Tiers};
use super::score::Rate;

/// Number of slots that are sifted together, so that data of the nodes is loaded once for all of them.
pub(super) const GROUP: usize = 8;

/// Number of nodes that are sifted at once: the bits of a mask. Of fewer none comes through: scans take less time.
const LANES: usize = 32;

/// Mean number of nodes that come through. With fewer, the slots that need a scan of all nodes, which are three in
/// a thousand with ten, would take more time than the others save.
const PASSING: u64 = 10;

/// The second quarter of the second factor, from below.
const COARSE: u32 = LOW[1] >> 16;

/// Bound of what [`COARSE`] leaves out of the top half of a product, which is less.
const COARSE_ERROR: u32 = 1 << 17;

/// Lower and upper halves of the factors.
const LOW: [u32; 2] = [FACTORS[0] as u32, FACTORS[1] as u32];
const HIGH: [u32; 2] = [(FACTORS[0] >> 32) as u32, (FACTORS[1] >> 32) as u32];

/// Nodes of a tier, laid out for the sieve.
#[derive(Debug)]
pub(super) struct Sieve {
    /// Nodes in the order of their lanes.
    pub(super) nodes: Box<[Node]>,
    /// Data of all nodes, or nothing if there are too few.
    blocks: Box<[Block]>,
    /// Bound within which no node is held back; [`Rate::ANY`] if nothing comes through.
    pub(super) rate: Rate,
}

/// Data of [`LANES`] nodes.
#[derive(Debug, Clone, Copy)]
struct Block {
    /// Lower halves of the hashes after the first step of mixing.
    low: [u32; LANES],
    /// Upper halves of the same.
    high: [u32; LANES],
    /// The least [`top`] that comes through.
    least: [u32; LANES],
}

/// Places in [`Sieve::nodes`] that came through, for each slot of a group. Some are past the end.
pub(super) type Passed = [Vec<usize>; GROUP];

impl Sieve {
    /// Makes the sieves of the tiers that hold the `want` best nodes of each slot.
    pub(super) fn of_tiers(tiers: &Tiers<'_>, want: usize) -> Vec<Self> {
        let mut missing = want;
        let mut sieves = Vec::new();
        for tier in tiers {
            let nodes = tier.concat();
            if missing == 0 || nodes.is_empty() {
                continue;
            }
            let taken = missing.min(nodes.len());
            missing = missing.saturating_sub(taken);
            sieves.push(Self::new(nodes));
        }
        sieves
    }

    fn new(nodes: Vec<Node>) -> Self {
        let sifted = if nodes.len() < LANES { &[][..] } else { &nodes };
        let rate = rate(sifted);
        let blocks = sifted.chunks(LANES).map(|nodes| Block::new(nodes, rate));
        Self {
            blocks: blocks.collect(),
            nodes: nodes.into(),
            rate,
        }
    }

    /// Adds the nodes that come through for each slot of a group to `passed`.
    pub(super) fn sift(&self, slot_hashes: &[u64], passed: &mut Passed) {
        self.sift_at(Level::new(), slot_hashes, passed);
    }

    fn sift_at(&self, level: Level, slot_hashes: &[u64], passed: &mut Passed) {
        dispatch!(level, _simd => self.sift_all(slot_hashes, passed));
    }

    #[inline(always)]
    fn sift_all(&self, slot_hashes: &[u64], passed: &mut Passed) {
        for (block, start) in self.blocks.iter().zip((0..).step_by(LANES)) {
            for (slot_hash, passed) in slot_hashes.iter().zip(&mut *passed) {
                let mut mask = block.mask(first_step(*slot_hash));
                while mask != 0 {
                    passed.push(mask.trailing_zeros() as usize | start);
                    mask &= mask.wrapping_sub(1);
                }
            }
        }
    }
}

impl Block {
    fn new(nodes: &[Node], rate: Rate) -> Self {
        let mut block = Self {
            low: [0; LANES],
            high: [0; LANES],
            least: [u32::MAX; LANES],
        };
        let lanes = block.low.iter_mut().zip(&mut block.high);
        for ((low, high), (least, node)) in lanes.zip(block.least.iter_mut().zip(nodes)) {
            let x = first_step(node.hash);
            (*low, *high) = (x as u32, (x >> 32) as u32);
            // The last step of mixing may change the last bit of the top half.
            let farthest = (rate.farthest(node.weight) >> 32) as u32 | 1;
            *least = !farthest.saturating_add(COARSE_ERROR);
        }
        block
    }

    /// Returns a bit for each node that comes through.
    #[inline(always)]
    fn mask(&self, slot: u64) -> u32 {
        let (low, high) = (slot as u32, (slot >> 32) as u32);
        let lanes = self.low.iter().zip(&self.high).zip(&self.least);
        let mut mask = 0;
        for (lane, ((node_low, node_high), least)) in (0_u32..).zip(lanes) {
            let passes = top(low ^ node_low, high ^ node_high) >= *least;
            mask |= u32::from(passes).wrapping_shl(lane);
        }
        mask
    }
}

/// Returns the bound that [`PASSING`] nodes come within on average, or all if there are fewer.
///
/// Nodes that always come within it, since they are so much heavier than the rest, count as one each.
fn rate(nodes: &[Node]) -> Rate {
    let mut weights: Vec<u64> = nodes.iter().map(|node| u64::from(node.weight)).collect();
    weights.sort_unstable();
    let mut rest: u64 = weights.iter().sum();
    for (passing, weight) in (1..=PASSING).rev().zip(weights.iter().rev()) {
        if passing.saturating_mul(*weight) <= rest {
            return Rate::passing(passing, rest);
        }
        rest = rest.saturating_sub(*weight);
    }
    Rate::ANY
}

/// Returns a hash after the first step of mixing. That of a pair is the XOR of those of its two parts.
#[inline(always)]
fn first_step(hash: u64) -> u64 {
    hash ^ hash >> SHIFTS[0]
}

/// Returns the top half of the hash of a pair, from the halves of it after the first step, up to the last bit
/// and less than [`COARSE_ERROR`] too low, modulo 2^32.
#[inline(always)]
fn top(low: u32, high: u32) -> u32 {
    let product = u64::from(low).wrapping_mul(u64::from(LOW[0]));
    let z_low = low.wrapping_mul(LOW[0]);
    let z_high = ((product >> 32) as u32)
        .wrapping_add(low.wrapping_mul(HIGH[0]))
        .wrapping_add(high.wrapping_mul(LOW[0]));
    let y_low = z_low ^ (z_low >> SHIFTS[1] | z_high << u32::BITS.wrapping_sub(SHIFTS[1]));
    let y_high = z_high ^ z_high >> SHIFTS[1];
    (y_low >> 16)
        .wrapping_mul(COARSE)
        .wrapping_add(y_low.wrapping_mul(HIGH[1]))
        .wrapping_add(y_high.wrapping_mul(LOW[1]))
}

#[cfg(test)]
mod tests;
