//! The hashes: of a key, of a slot and of a node.
//!
//! They never change, and never depend on the process or the machine: all agents of a cluster, of all
//! versions and in all languages, must compute the same.
//!
//! The hash of a key is XXH3 with 64 bits, seed 0 and the default secret. It is specified in public and frozen,
//! libraries of nearly every language have it under that name, it passes the usual statistical tests, and
//! where no library is at hand it takes the sixty lines that `vectors.py` has. The shorter ones cost more than the
//! rest of a lookup: a path of 60 bytes takes 5 ns, with XXH64 15 ns, with FNV-1a, byte by byte, 50.
//!
//! Numbers are mixed by the finaliser of SplitMix64 (Stafford's variant 13), which is a bijection. The two seeds
//! are the first 128 bits of the fraction of pi; they keep a slot and a node of the same number apart.

use twox_hash::XxHash3_64;

use crate::NodeId;

/// How many bits of the hash of a key choose its slot.
pub const SLOT_BITS: u32 = 18;

/// How many slots there are, however many nodes: a count that followed the nodes would divide agents whose
/// views differ.
pub const SLOTS: usize = 1 << SLOT_BITS;

const SLOT_SEED: u64 = 0x243f_6a88_85a3_08d3;
const NODE_SEED: u64 = 0x1319_8a2e_0370_7344;

/// The hash of a key: XXH3 with 64 bits, seed 0 and the default secret.
#[inline]
pub fn key_hash(key: &[u8]) -> u64 {
    XxHash3_64::oneshot(key)
}

/// The slot that all keys with this hash are in.
#[inline]
pub fn slot_of(key_hash: u64) -> u32 {
    // 18 bits are left, so that nothing is cut off.
    (key_hash >> (u64::BITS - SLOT_BITS)) as u32
}

/// The hash of a slot.
#[inline]
pub fn slot_hash(slot: u32) -> u64 {
    mix(u64::from(slot) ^ SLOT_SEED)
}

/// The hash of a node.
pub fn node_hash(node_id: NodeId) -> u64 {
    mix(node_id ^ NODE_SEED)
}

/// The hash of a slot and a node together.
#[inline]
pub(super) fn pair_hash(slot_hash: u64, node_hash: u64) -> u64 {
    mix(slot_hash ^ node_hash)
}

#[inline]
fn mix(mut x: u64) -> u64 {
    x ^= x >> 30;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 27;
    x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
