//! Routing: chooses the nodes that serve a key, best first.
//!
//! All agents must send a key to the same nodes without communication, so the result is a function of the
//! key and the candidates alone. This crate contains that function, and a table that caches its results. It
//! does not know gossip, plugins or HTTP.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use edge_cache_routing::{Candidate, CandidateError, Router};
//!
//! # fn main() -> Result<(), CandidateError> {
//! let candidate = |weight, geo: &str| Candidate { weight, geo: Some(geo.to_string()) };
//! let candidates = BTreeMap::from([
//!     (1, candidate(500, "eu-central-1")),
//!     (2, candidate(500, "eu-west-1")),
//!     (3, candidate(500, "us-east-1")),
//! ]);
//! let (router, mut writer) = Router::new();
//! writer.update(&candidates, Some("us-east-1"))?;
//! // The node in the same geo comes first.
//! assert_eq!(router.route(b"/logo.png", 3, Some("us-east-1"))[0], 3);
//! # Ok(())
//! # }
//! ```
//!
//! # The function
//!
//! The function is the contract of this crate; the rest of the code only makes it fast. It can be implemented
//! in any language, and `vectors.json` contains values to test an implementation with. All numbers are
//! unsigned. Arithmetic is exact, or modulo 2⁶⁴ where stated.
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
//! 6. The tiers follow one another: nodes in the geo of the request, then nodes in its region, then the rest.
//!    The region is the part of a geo before its last `-`, or the whole geo if there is none. Nodes without
//!    geo belong to the rest. For a request without geo, all nodes are in one tier.
//!
//! So the score of a node depends only on the slot, its id and its own weight. A node that changes moves only
//! its own keys, agents whose views differ by some nodes agree on all other keys, and the second node of a key
//! takes over when the first one leaves.
//!
//! # Layout
//!
//! - [`Router`] looks up keys. [`RouterWriter`] replaces the candidates.
//! - `table` is an immutable routing table; `memo` caches the three best nodes of each slot.
//! - `roster` holds the candidates in the order in which `scan` reads them; `sieve` leaves it few of them.
//! - `hash`, `score` and `geo` implement the function above; `vectors.py` implements it in Python.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod geo;
mod hash;
mod memo;
mod roster;
mod router;
mod scan;
mod score;
mod sieve;
mod table;
#[cfg(test)]
mod tests;
mod types;

pub use hash::{SLOT_BITS, SLOTS, key_hash, node_hash, slot_hash, slot_of};
pub use roster::{CANDIDATES_MAX, CandidateError, WEIGHT_MAX};
pub use router::{Router, RouterWriter, Update};
pub use score::distance;
pub use table::RoutingTable;
pub use types::{Candidate, NodeId, REPLICAS_MAX, Replicas};
