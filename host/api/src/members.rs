//! The members of the cluster.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{MemberStatus, NodeId, Timestamp};

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
    pub gossip_address: Option<SocketAddr>,
    /// The labels of the node, if the member is live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// The address of its cache: IP and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub address: Option<SocketAddr>,
    /// Why the address that it publishes counts as none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_refused: Option<String>,
    /// The address of its API, as it announces it; nobody has verified it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// The version of its agent, as it announces it; absent for other software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub version: Option<String>,
    /// The arrival of the last datagram from its gossip address that the asked agent could read: RFC 3339, UTC,
    /// milliseconds. Members hear most of each other through others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub last_heard: Option<Timestamp>,
    /// The id of the gossip key that sealed that datagram: eight hexadecimal digits; absent without keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, pattern = "^[0-9a-f]{8}$"))]
    pub key_id: Option<String>,
    /// The start time of the member in nanoseconds since 1970 by its own clock, as decimal digits; absent without gossip.
    #[serde(default, with = "decimal", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, pattern = "^[0-9]{1,20}$"))]
    pub generation: Option<u64>,
    /// True if the member is an agent, false if it is other software of the cluster.
    pub is_agent: bool,
    /// The first digits of a digest of the member's plugin and its settings, and its settings `traffic.key` and
    /// `cache.default_port` where they are set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

/// A number as decimal text, for values above 2^53 that JSON readers would round.
mod decimal {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(number: &Option<u64>, to: S) -> Result<S::Ok, S::Error> {
        number.map(|number| number.to_string()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| text.parse().map_err(D::Error::custom))
            .transpose()
    }
}
