//! The replacement of all nodes by another set.

use serde::{Deserialize, Serialize};

use crate::object::{object, objects};
use crate::{NodeCapacity, NodeId, Problem};

/// The request that replaces all nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// Each node once, in any order; at most as many as the registry holds, 20,000.
    #[serde(deserialize_with = "objects")]
    #[cfg_attr(feature = "openapi", schema(max_items = 20000))]
    pub nodes: Vec<WantedNode>,
    /// The mark of a list that was read in part. Such a list replaces no other.
    #[serde(default, skip_serializing_if = "crate::plugin::is_false")]
    #[cfg_attr(feature = "openapi", schema(ignore))]
    pub is_part: bool,
    /// The mark of a page that others follow. Such a list replaces no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(ignore))]
    pub next: Option<NodeId>,
}

impl Replacement {
    /// Checks that the list is no part of one.
    ///
    /// # Errors
    ///
    /// The list says that it leaves nodes out, which it would disable.
    pub fn check_whole(&self) -> Result<(), &'static str> {
        if self.is_part || self.next.is_some() {
            return Err("this is a part of a list, and would remove all other nodes");
        }
        Ok(())
    }
}

/// A node that is to be eligible. The other fields of a list's entry are accepted and ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WantedNode {
    /// The id of the node.
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub node_id: NodeId,
    /// The capacity of the node.
    #[serde(deserialize_with = "object")]
    pub capacity: NodeCapacity,
}

/// The result of a replacement. Each node is counted once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReplacementReport {
    /// The number of nodes that had their capacity already.
    pub untouched: usize,
    /// The number of nodes that were enabled.
    pub enabled: usize,
    /// The number of nodes that were disabled.
    pub disabled: usize,
    /// The number of nodes that could not be changed.
    pub failed: usize,
    /// The result of each node, in ascending order of node id.
    pub nodes: Vec<NodeResult>,
}

/// The result of a replacement for one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeResult {
    /// The id of the node.
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub node_id: NodeId,
    /// The outcome.
    pub result: NodeOutcome,
    /// The reason of a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// The outcome of a replacement for one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum NodeOutcome {
    /// The node had this capacity already.
    Untouched,
    /// The node was enabled, or its capacity was changed.
    Enabled,
    /// The node was not in the list and was disabled.
    Disabled,
    /// The node is unchanged, for the reason in `problem`.
    Failed,
}
