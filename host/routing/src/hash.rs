//! Hashes of keys, slots and nodes.
//!
//! The hashes must never change or depend on the process or the machine: all agents of a cluster, of all
//! versions and in all languages, compute the same values.
//!
//! A key is hashed by XXH3 with 64 bits, seed 0 and the default secret. Its specification is public and frozen,
//! nearly every language has a library for it, and it passes the usual statistical tests. Without a library
//! it takes the sixty lines in `vectors.py`. Simpler hashes cost more than the rest of a lookup: a path of 60
//! bytes takes 5 ns, with XXH64 15 ns, with FNV-1a 50 ns.
//!
//! Numbers are mixed by the finaliser of SplitMix64 (Stafford's variant 13), which is a bijection. The seeds
//! are the first 128 bits of the fraction of pi. They separate a slot from a node of the same number.

use twox_hash::XxHash3_64;

use crate::types::NodeId;

/// Number of bits of a key's hash that choose its slot.
pub const SLOT_BITS: u32 = 18;

/// Number of slots. It does not depend on the number of nodes, so agents with different views agree on it.
pub const SLOTS: usize = 1 << SLOT_BITS;

const SLOT_SEED: u64 = 0x243f_6a88_85a3_08d3;
const NODE_SEED: u64 = 0x1319_8a2e_0370_7344;

/// Shifts and factors of the finaliser, in the order of its steps.
pub(super) const SHIFTS: [u32; 3] = [30, 27, 31];
pub(super) const FACTORS: [u64; 2] = [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb];

/// Returns the hash of a key: XXH3 with 64 bits, seed 0 and the default secret.
#[inline]
pub fn key_hash(key: &[u8]) -> u64 {
    XxHash3_64::oneshot(key)
}

/// Returns the slot of all keys with this hash.
#[inline]
pub fn slot_of(key_hash: u64) -> u32 {
    // 18 bits remain, so the conversion loses nothing.
    (key_hash >> (u64::BITS - SLOT_BITS)) as u32
}

/// Returns the hash of a slot.
#[inline]
pub fn slot_hash(slot: u32) -> u64 {
    mix(u64::from(slot) ^ SLOT_SEED)
}

/// Returns the hash of a node.
pub fn node_hash(node_id: NodeId) -> u64 {
    mix(node_id ^ NODE_SEED)
}

#[inline]
pub(super) fn pair_hash(slot_hash: u64, node_hash: u64) -> u64 {
    mix(slot_hash ^ node_hash)
}

#[inline]
fn mix(mut x: u64) -> u64 {
    x ^= x >> SHIFTS[0];
    x = x.wrapping_mul(FACTORS[0]);
    x ^= x >> SHIFTS[1];
    x = x.wrapping_mul(FACTORS[1]);
    x ^ (x >> SHIFTS[2])
}
