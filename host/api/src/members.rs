//! The members of the cluster.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{NodeId, number};

/// The query of the list of members.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct MembersQuery {
    /// Only members of this status; all without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub status: Option<MemberStatus>,
}

/// The status of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum MemberStatus {
    /// The member takes part.
    Alive,
    /// The member has announced that it is about to stop.
    Leaving,
    /// The member is silent. It is forgotten some minutes later.
    Dead,
}

/// Members of the cluster, in ascending order of node id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberList {
    /// The members.
    pub members: Vec<Member>,
}

/// A node of the cluster, in its latest known generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Member {
    /// The id of the node.
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub node_id: NodeId,
    /// The status of the member.
    pub status: MemberStatus,
    /// The address of its gossip; absent without gossip.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub address: Option<SocketAddr>,
    /// The start time of the member in nanoseconds since 1970 by its own clock, as decimal digits; absent without gossip.
    #[serde(default, with = "number", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, pattern = "^[0-9]{1,20}$"))]
    pub generation: Option<u64>,
    /// True if the member is an agent, false if it is other software of the cluster.
    pub is_agent: bool,
    /// The first digits of a digest of the member's plugin and its settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

/// A live peer, as ZLayer shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Peer {
    /// The id of the node.
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub node_id: NodeId,
    /// The public key of the node's WireGuard interface; empty where it is not known.
    pub wg_pubkey: String,
    /// The address of the node's WireGuard interface; `0.0.0.0:0` where it is not known.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub wg_endpoint: SocketAddr,
    /// The address of the node inside the overlay; empty where it is not known.
    pub overlay_ip: String,
    /// The labels of the node, with those of the registry.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl MemberStatus {
    /// Returns the name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Leaving => "leaving",
            Self::Dead => "dead",
        }
    }
}
