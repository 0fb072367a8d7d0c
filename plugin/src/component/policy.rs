//! The policy: imported by the composable form; the other form admits every node and keeps every judgement.

use super::bindings::zlayer::edge_cache::types;
use crate::{Candidate, Label, NodeId};

#[cfg(feature = "composable")]
use super::bindings::zlayer::edge_cache_policy::policy;

/// Returns the capacity with which a node is admitted.
#[cfg(feature = "composable")]
pub(super) fn admit(
    node_id: NodeId,
    capacity: types::NodeCapacity,
) -> Result<types::NodeCapacity, types::EdgeCacheError> {
    policy::admit(node_id, &capacity).map_err(types::EdgeCacheError::InvalidCapacity)
}

#[cfg(not(feature = "composable"))]
#[expect(clippy::unnecessary_wraps, reason = "a policy may refuse")]
pub(super) const fn admit(
    _: NodeId,
    capacity: types::NodeCapacity,
) -> Result<types::NodeCapacity, types::EdgeCacheError> {
    Ok(capacity)
}

/// Has the policy judge a node without labels, so that one with invalid settings fails before it decides anything.
#[cfg(feature = "composable")]
pub(super) fn probe() {
    let _ = policy::assess(0, &[], None);
}

#[cfg(not(feature = "composable"))]
pub(super) const fn probe() {}

/// Returns the judgement of a node by its labels, where `default` is that of the reference.
#[cfg(feature = "composable")]
pub(super) fn assess(
    node_id: NodeId,
    labels: Vec<Label>,
    default: Option<Candidate>,
) -> Option<Candidate> {
    let labels: Vec<types::Label> = labels.into_iter().map(Into::into).collect();
    let default = default.map(policy::Candidate::from);
    policy::assess(node_id, &labels, default.as_ref()).map(Into::into)
}

#[cfg(not(feature = "composable"))]
pub(super) fn assess(_: NodeId, _: Vec<Label>, default: Option<Candidate>) -> Option<Candidate> {
    default
}
