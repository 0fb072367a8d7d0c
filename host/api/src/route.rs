//! The nodes that serve a key.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::NodeId;

/// The query of a route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct RouteQuery {
    /// The key to route, for instance a URL: any bytes, percent-encoded. Here it is text.
    #[cfg_attr(feature = "openapi", param(min_length = 1, max_length = 4096))]
    pub key: String,
    /// The number of nodes to name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(default = 3, minimum = 1, maximum = 8))]
    pub replicas: Option<usize>,
    /// The location of the client: nodes with the same geo come first, then those of the same region. Without it, all nodes
    /// are equally near.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(min_length = 1, max_length = 64))]
    pub geo: Option<String>,
}

impl RouteQuery {
    /// The number of nodes that are named where the query does not say: the best, and two more should it fail.
    pub const REPLICAS_DEFAULT: usize = 3;
}

/// The nodes that serve a key, best first; empty where no node is eligible.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Route {
    /// The nodes.
    pub nodes: Vec<Replica>,
}

/// A node that serves a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Replica {
    /// The id of the node.
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub node_id: NodeId,
    /// The share of all keys that the node serves, in proportion to the weights of the other nodes.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 65535))]
    pub weight: u32,
    /// The location of the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub geo: Option<String>,
    /// The address of the node's cache: IP and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub address: Option<SocketAddr>,
}
