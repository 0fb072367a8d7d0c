//! The score of a node: its distance from a slot, divided by its weight.
//!
//! All numbers are integers, since floating-point logarithms differ between platforms and agents must agree
//! exactly.

use std::cmp::Ordering;

use crate::types::NodeId;

/// Fraction bits of a distance. A distance is at most 64, so its product with a weight of 16 bits is below
/// 2^62.
const FRACTION_BITS: u32 = 40;

/// Number of linear pieces that approximate the logarithm between 1 and 2.
const PIECES: usize = 256;
const PIECE_BITS: u32 = PIECES.trailing_zeros();

/// Bits of the position on a piece. With more, the product with a step of the table (33 bits) would exceed 63
/// bits.
const PLACE_BITS: u32 = 30;

/// Entry `i` is log2(1 + i/256) in units of 2^-40, rounded down.
static LOG2: [u64; PIECES + 1] = log2_table();

/// Returns -log2((`hash` + 1) / 2^64) in units of 2^-40.
///
/// The result is exponentially distributed for uniformly distributed hashes.
///
/// - If `hash` is 2^64 - 1, the result is 0.
/// - Otherwise let `x` be `hash` + 1, `z` the number of its leading zero bits, and `m` = `x << z`. Let `i` be the 8
///   bits of `m` after its first, which is set, and `p` the 30 bits after those; the rest is ignored.
/// - With the table `T[i]` = floor(2^40 * log2(1 + i/256)), 0 <= i <= 256, the result is
///   `(z + 1) * 2^40 - T[i] - floor((T[i + 1] - T[i]) * p / 2^30)`.
#[inline]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "z is at most 63, the table ascends from 0 to 2^40, and a step of it times 2^30 is below 2^63"
)]
pub fn distance(hash: u64) -> u64 {
    let Some(x) = hash.checked_add(1) else {
        return 0;
    };
    let zeros = x.leading_zeros();
    let after_first = x << zeros << 1;
    let piece = (after_first >> (u64::BITS - PIECE_BITS)) as usize;
    let place = after_first << PIECE_BITS >> (u64::BITS - PLACE_BITS);
    let from = LOG2.get(piece).copied().unwrap_or_default();
    let to = LOG2.get(piece + 1).copied().unwrap_or_default();
    let log = from + (((to - from) * place) >> PLACE_BITS);
    (u64::from(zeros + 1) << FRACTION_BITS) - log
}

/// Score of a node at a slot, compared with others of its tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Score {
    pub(super) distance: u64,
    pub(super) weight: u32,
    pub(super) node_id: NodeId,
}

impl Score {
    /// Returns whether this node precedes the other.
    #[inline]
    pub(super) fn beats(&self, other: &Self) -> bool {
        self.order(other) == Ordering::Less
    }

    #[inline]
    #[allow(
        clippy::arithmetic_side_effects,
        reason = "a distance is at most 2^46, a weight below 2^16"
    )]
    fn order(&self, other: &Self) -> Ordering {
        let ours = self.distance * u64::from(other.weight);
        let theirs = other.distance * u64::from(self.weight);
        ours.cmp(&theirs).then(self.node_id.cmp(&other.node_id))
    }
}

/// A bound that excludes most nodes of a scan without a logarithm.
///
/// Only nodes that the exact comparison would exclude are excluded.
///
/// With u = 1 - (hash + 1) / 2^64, -log2(1 - u) >= u / ln 2, and a distance is never below it: chords are below
/// the curve of the logarithm, and the table is rounded down. So a node beats a score only if
/// u * 2^64 <= ln 2 * 2^24 * distance / weight_of_the_score * weight_of_the_node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rate(u64);

impl Rate {
    /// Bound that excludes no node.
    pub(super) const ANY: Self = Self(u64::MAX);

    /// ln 2 * 2^24, rounded up.
    const SCALE: u64 = 11_629_080;

    /// Returns the bound that excludes nodes that do not beat `score`.
    pub(super) fn of(score: &Score) -> Self {
        let scaled = score.distance.checked_mul(Self::SCALE);
        scaled.map_or(Self::ANY, |scaled| {
            Self(scaled.div_ceil(u64::from(score.weight.max(1))))
        })
    }

    /// Returns the bound that `count` nodes of this total weight come within on average.
    pub(super) fn passing(count: u64, total_weight: u64) -> Self {
        let rate = (u128::from(count) << u64::BITS).checked_div(u128::from(total_weight));
        let rate = rate.and_then(|rate| u64::try_from(rate).ok());
        rate.map_or(Self::ANY, Self)
    }

    /// Returns the largest complement of the hash of a node with this weight that the bound does not exclude.
    #[inline]
    pub(super) fn farthest(self, weight: u32) -> u64 {
        self.0.saturating_mul(u64::from(weight))
    }

    /// Returns whether the bound excludes a node with this hash and weight.
    #[inline]
    pub(super) fn excludes(self, hash: u64, weight: u32) -> bool {
        !hash > self.farthest(weight)
    }
}

/// The upper half of a [`Rate`], rounded up, to be kept for each slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CoarseRate(u32);

impl CoarseRate {
    /// Bound that excludes no node.
    pub(super) const ANY: Self = Self(u32::MAX);

    /// Returns whether the bound excludes a node with this hash and weight.
    #[inline]
    pub(super) fn excludes(self, hash: u64, weight: u32) -> bool {
        !hash >> 32 > u64::from(self.0).saturating_mul(u64::from(weight))
    }
}

impl From<Rate> for CoarseRate {
    fn from(rate: Rate) -> Self {
        Self(((rate.0 >> 32) as u32).saturating_add(1))
    }
}

#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses what overflows or is out of bounds"
)]
const fn log2_table() -> [u64; PIECES + 1] {
    let mut table = [0; PIECES + 1];
    let mut i = 0;
    while i < PIECES {
        table[i] = log2_of_mantissa((PIECES + i) as u128);
        i += 1;
    }
    table[PIECES] = 1 << FRACTION_BITS;
    table
}

/// Returns log2(`mantissa` / 256), bit by bit.
///
/// Squaring doubles a logarithm: if the square reaches 2, the next bit is 1.
#[allow(
    clippy::arithmetic_side_effects,
    reason = "evaluated by the compiler, which refuses what overflows"
)]
const fn log2_of_mantissa(mantissa: u128) -> u64 {
    let mut x = mantissa << (63 - PIECE_BITS);
    let mut log = 0;
    let mut bit = 0;
    while bit < FRACTION_BITS {
        x = (x * x) >> 63;
        log <<= 1;
        if x >= 1 << 64 {
            x >>= 1;
            log |= 1;
        }
        bit += 1;
    }
    log
}

#[cfg(test)]
mod tests;
