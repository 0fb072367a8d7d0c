//! The registration, state and decision of a node, and the list of all eligible nodes.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

use crate::object::object;
use crate::{NodeCapacity, NodeId, Timestamp};

/// The request that enables a node, as ZLayer sends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The capacity of the node.
    #[serde(deserialize_with = "object")]
    pub capacity: NodeCapacity,
}

/// The query of a change of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct ChangeQuery {
    /// The longest wait for the labels to follow, at most 60 s, with a unit: `200ms` or `5s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        param(pattern = "^[0-9]{1,5}(ms|s|m)$", example = "5s")
    )]
    pub wait: Option<String>,
}

/// The query of the list of eligible nodes. Without it all are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct NodesQuery {
    /// Only nodes whose capacity has this location.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(min_length = 1, max_length = 64))]
    pub geo: Option<String>,
    /// Only nodes with a larger id: the `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(maximum = 18446744073709551615u64))]
    pub after: Option<NodeId>,
    /// The largest number of nodes that are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 10000))]
    pub limit: Option<usize>,
}

impl NodesQuery {
    /// The largest page.
    pub const LIMIT_MAX: usize = 10_000;
}

/// Eligible nodes, in ascending order of node id.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeList {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The id of the last node of a page that more nodes follow; absent where none follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>, maximum = 18446744073709551615u64))]
    pub next: Option<NodeId>,
    /// True where the query asked for a part of the nodes: such a list replaces no other.
    #[serde(default, skip_serializing_if = "crate::plugin::is_false")]
    pub is_part: bool,
}

/// An eligible node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Node {
    /// The id of the node.
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub node_id: NodeId,
    /// The capacity of the node.
    pub capacity: NodeCapacity,
    /// The time of the last enable: RFC 3339, UTC, milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub enabled_at: Timestamp,
    /// True if the node's own agent says that its labels follow from the effective decision; null for a member that is
    /// no agent.
    pub advertised: Option<bool>,
    /// The address of the node's cache: IP and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub address: Option<SocketAddr>,
    /// The share of hits among the counted requests of the node; absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64, required = false, minimum = 0, maximum = 1))]
    pub hit_ratio: Option<f64>,
}

/// The state of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum NodeDetails {
    /// The node is registered.
    Registered(RegisteredNode),
    /// The node is not registered here. The plugin of this agent refused to enable it, or another agent's decision to
    /// disable it overruled one of this agent.
    Unregistered(NodeChange),
}

/// A registered node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegisteredNode {
    /// The id of the node.
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub node_id: NodeId,
    /// The capacity of the node.
    pub capacity: NodeCapacity,
    /// The time of the last enable: RFC 3339, UTC, milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub enabled_at: Timestamp,
    /// True if the node's own agent says that its labels follow from the effective decision; null for a member that is
    /// no agent.
    pub advertised: Option<bool>,
    /// True if a member with the id of the node is alive. Without one nobody advertises labels.
    pub alive: bool,
    /// The address of the node's cache: IP and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub address: Option<SocketAddr>,
    /// Why the address that the node publishes counts as none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_refused: Option<String>,
    /// The counters of the node.
    pub stats: NodeStats,
    /// The effective decision about the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

/// The state of a node whose labels did not follow in time, or whose decision the plugin refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeChange {
    /// The id of the node.
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub node_id: NodeId,
    /// True if the node is registered now.
    pub registered: bool,
    /// True if the node's own agent says that its labels follow from the effective decision; null for a member that is
    /// no agent.
    pub advertised: Option<bool>,
    /// True if a member with the id of the node is alive. Without one nobody advertises labels.
    pub alive: bool,
    /// The effective decision about the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

/// The effective decision about a node, on which all agents agree. If the plugin refused it, the entry is still the
/// former one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Decision {
    /// `enable` or `disable`.
    pub op: DecisionOp,
    /// The time of the decision: RFC 3339, UTC, milliseconds.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub at: Timestamp,
    /// The node whose agent decided.
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub by: NodeId,
    /// True if another agent carries the decision in gossip too, so that it outlives this agent. A decision that disables
    /// a node is carried for an hour only, and remembered for longer.
    pub replicated: bool,
    /// The capacity that was enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<NodeCapacity>,
    /// Why this agent does not carry the decision out, if it does not: its plugin refused it or failed on it, or the
    /// registry is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The reason of the node's own agent for refusing the decision, if it did: at most 128 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_by_node: Option<String>,
    /// The time of the decision of this agent that this one of another agent overruled within ten minutes. This one was
    /// heard more than 5 s after it was made, or its maker's clock is ahead.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub overruled: Option<Timestamp>,
}

/// The counters of a node since it was last enabled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeStats {
    /// The requests that the cache served.
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub hits: u64,
    /// The requests that were passed on to the origin.
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub misses: u64,
    /// The node whose agent counts: the node itself, or the asked agent's for a node without a live agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub counted_by: Option<NodeId>,
    /// The share of hits among the counted requests; absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64, required = false, minimum = 0, maximum = 1))]
    pub hit_ratio: Option<f64>,
}

/// The kind of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum DecisionOp {
    /// The node is eligible.
    Enable,
    /// The node is not eligible.
    Disable,
}
