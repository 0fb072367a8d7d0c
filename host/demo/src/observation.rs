//! The observations of the demo.

use std::time::{Duration, Instant};

use edge_cache_core::labels::Labels;

/// An expectation: one agent sees exactly these labels of another node.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) by: u64,
    pub(super) of: u64,
    pub(super) labels: Labels,
    /// The time at which the change was acknowledged.
    pub(super) since: Instant,
}

/// A fulfilled expectation, and the time since the change.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) by: u64,
    pub(super) of: u64,
    pub(super) labels: Labels,
    pub(super) took: Duration,
}

/// The nodes that serve a key, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) key: &'static str,
    pub(super) nodes: Vec<u64>,
}
