//! The effective decisions, and how far each has come.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{Decision, NodeId};

/// The query of the list of decisions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct DecisionsQuery {
    /// The largest number of nodes that are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        param(default = 100, minimum = 1, maximum = 10000)
    )]
    pub limit: Option<usize>,
}

impl DecisionsQuery {
    /// The number of nodes that are listed where the query does not say.
    pub const LIMIT_DEFAULT: usize = 100;
    /// The largest number of nodes that are listed.
    pub const LIMIT_MAX: usize = 10_000;
}

/// Nodes with the effective decisions about them, the latest decision first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DecisionList {
    /// The nodes. Those without a decision, which other software enabled by labels alone, come last.
    pub nodes: Vec<DecidedNode>,
    /// The sum of the weights of all nodes to which keys are routed.
    pub total_weight: u64,
}

/// A node: decided, advertised, routed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DecidedNode {
    /// The id of the node.
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub node_id: NodeId,
    /// True if the node is registered.
    pub registered: bool,
    /// True if the node's own agent says that its labels follow from the effective decision; null for a member that is
    /// no agent.
    pub advertised: Option<bool>,
    /// True if a member with the id of the node is alive. Without one nobody advertises labels.
    pub alive: bool,
    /// The weight of the node in routing: its share of all keys is this divided by `total_weight`. Absent where no key is
    /// routed to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 65535))]
    pub weight: Option<u32>,
    /// The location of the node in routing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub geo: Option<String>,
    /// The address of the node's cache: IP and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub address: Option<SocketAddr>,
    /// Why the address that the node publishes counts as none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_refused: Option<String>,
    /// The share of hits among the counted requests of the node; absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64, required = false, minimum = 0, maximum = 1))]
    pub hit_ratio: Option<f64>,
    /// The effective decision about the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}
