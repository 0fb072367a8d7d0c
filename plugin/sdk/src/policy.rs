//! The trait of policies.

use crate::{Candidate, Labels, NodeCapacity, NodeId, Settings};

/// Two decisions of a registry of edge-cache nodes.
///
/// A policy is made once for each instance of its plugin, and keeps no state: an instance may be dropped at any time,
/// and several run at once.
pub trait Policy: Sized {
    /// Names of the settings that the policy reads, without `policy.` before them. Other names are errors.
    const SETTINGS: &'static [&'static str] = &[];

    /// Makes the policy from its settings.
    ///
    /// # Errors
    ///
    /// A setting is invalid; the text is for the operator. An agent then refuses the plugin, and goes on with the one
    /// before.
    fn new(settings: &Settings) -> Result<Self, String>;

    /// Admits a node with the capacity that it returns, by default the given one.
    ///
    /// Only registrations ask. Entries that exist, and those of other agents, are taken as they are.
    ///
    /// # Errors
    ///
    /// The node is refused with this text. So is one whose capacity is out of the bounds of [`NodeCapacity`].
    fn admit(&self, _node_id: NodeId, capacity: NodeCapacity) -> Result<NodeCapacity, String> {
        Ok(capacity)
    }

    /// Judges a node by its labels; none means that no key is routed to it. By default the judgement of the reference
    /// registry, `default`, stays.
    ///
    /// The answer must follow from arguments and settings alone, so that all agents route keys alike.
    fn assess(
        &self,
        _node_id: NodeId,
        _labels: &Labels,
        default: Option<Candidate>,
    ) -> Option<Candidate> {
        default
    }
}
