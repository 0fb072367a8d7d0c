//! Types that the whole crate shares.

/// Number of a node in its cluster.
pub type NodeId = u64;

/// A node that cache traffic may be routed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Share of the traffic relative to the other weights: 1 to [`WEIGHT_MAX`](crate::WEIGHT_MAX).
    pub weight: u32,
    /// Location.
    pub geo: Option<String>,
}
