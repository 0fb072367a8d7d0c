//! The values of an edge-cache registry: types, labels, decisions, limits and text.
//!
//! The crate is pure: it asks no clock, does no I/O and knows no async runtime.

// Guest data reaches most of this crate: what could overflow says what then.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

pub mod decision;
mod error;
pub mod labels;
mod limits;
pub mod text;
mod types;

pub use error::EdgeCacheError;
pub use limits::{LabelLimits, Limits};
pub use types::{
    Change, EdgeCacheNode, EdgeCacheStats, Entry, GEO_BYTES_MAX, NodeCapacity, NodeId, check_geo,
};
