//! What the suite asks of a registry, however it is made.

use std::time::SystemTime;

use super::samples::Samples;
use edge_cache_core::labels::Labels;
use edge_cache_core::{Change, EdgeCacheStats, NodeId};
use edge_cache_core::{EdgeCacheError, EdgeCacheNode, Entry, Limits, NodeCapacity};
use edge_cache_routing::Candidate;

/// In words, why a check does not hold.
pub type Broken = String;

/// The node that a subject takes for its agent's own: the only one whose labels can be refused alone.
pub const OWN_NODE: NodeId = 2;

/// A registry under test.
///
/// The outer error of a call says that it failed altogether, for instance by a trap. The inner result is
/// the contract's.
pub trait Subject {
    /// The `nth` of the capacities that the registry takes; after the last one they begin again.
    fn sample(&self, nth: usize) -> NodeCapacity {
        Samples::default().nth(nth)
    }

    /// How many entries it is asked to hold at most.
    fn room(&self) -> usize {
        Limits::default().nodes_max
    }

    /// `registry.enable`.
    fn enable(
        &mut self,
        node_id: NodeId,
        capacity: &NodeCapacity,
    ) -> Result<Result<EdgeCacheNode, EdgeCacheError>, Broken>;

    /// `registry.disable`.
    fn disable(&mut self, node_id: NodeId) -> Result<Result<(), EdgeCacheError>, Broken>;

    /// `registry.is-enabled`.
    fn is_enabled(&mut self, node_id: NodeId) -> Result<bool, Broken>;

    /// `registry.list-eligible`.
    fn list_eligible(&mut self) -> Result<Vec<EdgeCacheNode>, Broken>;

    /// `registry.stats`.
    fn stats(&mut self, node_id: NodeId) -> Result<EdgeCacheStats, Broken>;

    /// `registry.add-stats`.
    fn add_stats(
        &mut self,
        node_id: NodeId,
        delta: EdgeCacheStats,
    ) -> Result<Result<EdgeCacheStats, EdgeCacheError>, Broken>;

    /// `state.load`.
    fn load(&mut self, entries: &[Entry]) -> Result<Result<(), String>, Broken>;

    /// `state.apply`.
    fn apply(&mut self, changes: &[Change]) -> Result<Result<(), String>, Broken>;

    /// `placement.assess`.
    fn assess(&mut self, node_id: NodeId, labels: &Labels) -> Result<Option<Candidate>, Broken>;

    /// What was published last for a node by a call that succeeded.
    fn labels(&self, node_id: NodeId) -> Labels;

    /// Sets the wall clock.
    fn set_time(&mut self, now: SystemTime);

    /// From now on, `gossip-labels.publish` refuses every call.
    fn refuse_labels(&mut self);

    /// From now on, `gossip-labels.publish` refuses all labels of [`OWN_NODE`], and only those.
    fn refuse_own_labels(&mut self);

    /// From now on, `gossip-labels.publish` takes labels again.
    fn accept_labels(&mut self);
}
