//! The interface of a registry under test.

use std::time::SystemTime;

use edge_cache_core::labels::Labels;
use edge_cache_core::{
    Change, EdgeCacheError, EdgeCacheNode, EdgeCacheStats, Entry, Limits, NodeCapacity, NodeId,
};
use edge_cache_routing::Candidate;

use crate::samples::Samples;

/// The text that says how a registry breaks a requirement.
pub type Violation = String;

/// The node that the registry takes for its agent's own, the only one whose labels can be refused alone.
pub const OWN_NODE: NodeId = 2;

/// A registry under test: the exports of the WIT package, and control over its imports.
///
/// The outer error of a call says that the call failed, for instance by a trap. The inner result is the
/// one of the contract.
pub trait RegistryUnderTest {
    /// Returns the `nth` of the capacities that the policy accepts, starting over after the last one.
    fn sample(&self, nth: usize) -> NodeCapacity {
        Samples::default().nth(nth)
    }

    /// Returns the largest number of entries that the host may load.
    fn nodes_max(&self) -> usize {
        Limits::default().nodes_max
    }

    /// Calls `registry.enable`.
    fn enable(
        &mut self,
        node_id: NodeId,
        capacity: &NodeCapacity,
    ) -> Result<Result<EdgeCacheNode, EdgeCacheError>, Violation>;

    /// Calls `registry.disable`.
    fn disable(&mut self, node_id: NodeId) -> Result<Result<(), EdgeCacheError>, Violation>;

    /// Calls `registry.is-enabled`.
    fn is_enabled(&mut self, node_id: NodeId) -> Result<bool, Violation>;

    /// Calls `registry.list-eligible`.
    fn list_eligible(&mut self) -> Result<Vec<EdgeCacheNode>, Violation>;

    /// Calls `registry.stats`.
    fn stats(&mut self, node_id: NodeId) -> Result<EdgeCacheStats, Violation>;

    /// Calls `registry.add-stats`.
    fn add_stats(
        &mut self,
        node_id: NodeId,
        delta: EdgeCacheStats,
    ) -> Result<Result<EdgeCacheStats, EdgeCacheError>, Violation>;

    /// Calls `state.load`.
    fn load(&mut self, entries: &[Entry]) -> Result<Result<(), String>, Violation>;

    /// Calls `state.apply`.
    fn apply(&mut self, changes: &[Change]) -> Result<Result<(), String>, Violation>;

    /// Calls `placement.assess`.
    fn assess(&mut self, node_id: NodeId, labels: &Labels) -> Result<Option<Candidate>, Violation>;

    /// Returns the labels that the last successful call published for a node.
    fn labels(&self, node_id: NodeId) -> Labels;

    /// Sets the wall clock that the registry reads.
    fn set_time(&mut self, now: SystemTime);

    /// Makes `gossip-labels.publish` refuse every call.
    fn refuse_labels(&mut self);

    /// Makes `gossip-labels.publish` refuse all labels of [`OWN_NODE`], and only those.
    fn refuse_own_labels(&mut self);

    /// Makes `gossip-labels.publish` accept labels again.
    fn accept_labels(&mut self);
}
