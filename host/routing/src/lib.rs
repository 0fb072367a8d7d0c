//! Routing: which nodes serve a key, best first.
//!
//! Every agent must send a key to the same nodes without asking anybody, so the answer is a function of the
//! key and of the candidates alone. This crate is that function, and a table that remembers its results.
//! It knows nothing of gossip, components or HTTP: candidates go in, a table comes out.
//!
//! # The function
//!
//! The contract of this crate; everything else here only makes it fast. Any language can compute it, and
//! `vectors.json` has values to check an implementation with. All numbers are unsigned, all
//! arithmetic is exact or modulo 2⁶⁴ as said.
//!
//! 1. `slot` = the top 18 bits of the key's XXH3 with 64 bits, seed 0 and the default secret. All keys of a
//!    slot go to the same nodes.
//! 2. `mix(x)`: `x ^= x >> 30; x *= 0xbf58476d1ce4e5b9; x ^= x >> 27; x *= 0x94d049bb133111eb;
//!    x ^= x >> 31`, modulo 2⁶⁴.
//! 3. `h` = `mix(mix(slot ^ 0x243f6a8885a308d3) ^ mix(node_id ^ 0x13198a2e03707344))`.
//! 4. `L` = -log₂((`h` + 1) / 2⁶⁴) in units of 2⁻⁴⁰, from a table with 257 entries and straight lines between
//!    them; [`distance`] says exactly how.
//! 5. Of two nodes of a tier the one with the smaller `L / weight` comes first, compared as
//!    `L_a * weight_b < L_b * weight_a`, which 63 bits hold; of equals the one with the lower node id.
//! 6. The tiers follow one another: nodes whose geo is the asker's; then nodes whose region is the asker's;
//!    then the rest. A region is a geo up to before its last `-`, or all of it if it has none. A node without
//!    geo is of the rest. Whoever asks without geo has all nodes in one tier.
//!
//! So a node's score depends on nothing but the slot, its id and its own weight: a node that changes moves
//! only its own keys, agents whose views differ by some nodes agree on all other keys, and the node after
//! the best is the one that takes over when the best leaves.
//!
//! # Layout
//!
//! - [`Router`] is what readers hold, or a [`RouterReader`] of it; [`RouterWriter`] takes in the candidates.
//! - `table` is one immutable state of both; `memo` its three best nodes of every slot.
//! - `roster` holds the candidates in the order in which `scan` goes through them.
//! - `hash`, `score` and `geo` are the function above; `vectors.py` is all of it in another language.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod geo;
mod hash;
mod memo;
mod replicas;
mod roster;
mod router;
mod scan;
mod score;
mod table;
#[cfg(test)]
mod tests;

pub use hash::{SLOT_BITS, SLOTS, key_hash, node_hash, slot_hash, slot_of};
pub use replicas::{REPLICAS_MAX, Replicas};
pub use roster::{CANDIDATES_MAX, CandidateError, WEIGHT_MAX};
pub use router::{Router, RouterReader, RouterWriter, Update};
pub use score::distance;
pub use table::RoutingTable;

/// The cluster-wide number of a node.
pub type NodeId = u64;

/// A node that cache traffic may be routed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its share of the traffic beside the others': 1 to [`WEIGHT_MAX`].
    pub weight: u32,
    /// Where it is.
    pub geo: Option<String>,
}
