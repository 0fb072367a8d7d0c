//! The info that a node announces about itself, and what its agent says about the decision on the node.

use core::net::{Ipv4Addr, SocketAddr};
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::decision::{Decision, Timestamp};
use crate::effective::EffectiveDecision;
use crate::text;
use crate::types::NodeId;

#[cfg(test)]
mod tests;

/// Info that a node announces about itself, in ZLayer's wire format: fields, their order and their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PeerInfo {
    /// Id of the node, unique in the cluster.
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub node_id: NodeId,
    /// Public key of the node's WireGuard interface; empty if unknown.
    pub wg_pubkey: String,
    /// Address of the node's WireGuard interface; `0.0.0.0:0` if unknown.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub wg_endpoint: SocketAddr,
    /// Address of the node inside the overlay; empty if unknown.
    pub overlay_ip: String,
    /// Labels of the node, with those of the registry.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Fields that only agents write; `None` for a ZLayer node. They are no part of ZLayer's format.
    #[serde(skip)]
    pub agent: Option<AgentInfo>,
}

impl PeerInfo {
    /// Maximum size of an encoded record, in bytes. chitchat stops replicating a node at 65,440
    /// bytes, and a record shares its datagram with a digest of all members.
    pub const ENCODED_BYTES_MAX: usize = 16 * 1024;
    /// Prefix of record keys and of member names. A node id follows.
    pub const KEY_PREFIX: &str = "worker:";

    /// Creates the info of a node of which only the id is known, with the defaults of ZLayer.
    #[must_use]
    pub fn placeholder(node_id: NodeId) -> Self {
        Self {
            node_id,
            wg_pubkey: String::new(),
            wg_endpoint: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            overlay_ip: String::new(),
            labels: BTreeMap::new(),
            agent: None,
        }
    }

    /// Returns the key of a node's record, which is also the name of its gossip member.
    #[must_use]
    pub fn key(node_id: NodeId) -> String {
        format!("{}{node_id}", Self::KEY_PREFIX)
    }
}

/// The decision about a node that its own agent follows or refuses, and where that agent is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentInfo {
    /// Decision that the node's labels follow from; absent while they are withheld.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<DecisionId>,
    /// Decision that the agent refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuses: Option<Refusal>,
    /// Address of the agent's HTTP API: at most [`AgentInfo::API_BYTES_MAX`] of printable text. Nobody has verified it.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "printable_api"
    )]
    pub api: Option<String>,
    /// Version of the agent's program: at most [`AgentInfo::VERSION_BYTES_MAX`] of printable text. Nobody has verified it.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "printable_version"
    )]
    pub version: Option<String>,
}

/// Timestamp and author of a decision, which identify it among those about its node. A greater one stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DecisionId {
    /// Timestamp.
    pub at: Timestamp,
    /// Node whose agent made the decision.
    pub by: NodeId,
}

/// A decision that the node's own agent refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Refused decision.
    #[serde(flatten)]
    pub decision: DecisionId,
    /// Reason: at most [`Refusal::REASON_BYTES_MAX`] of printable text.
    #[serde(deserialize_with = "printable_reason")]
    pub reason: String,
}

impl AgentInfo {
    /// Longest address of an API, in bytes.
    pub const API_BYTES_MAX: usize = 256;
    /// Longest version, in bytes.
    pub const VERSION_BYTES_MAX: usize = 64;

    /// Returns the info of an agent with this effective decision about its node, if there is one.
    pub fn of(effective: Option<&EffectiveDecision>) -> Self {
        let Some(EffectiveDecision {
            decision,
            set_aside,
        }) = effective
        else {
            return Self::default();
        };
        let id = DecisionId::of(decision);
        match set_aside {
            None => Self {
                follows: Some(id),
                ..Self::default()
            },
            Some(reason) => Self {
                refuses: Some(Refusal::new(id, &reason.to_string())),
                ..Self::default()
            },
        }
    }
}

impl DecisionId {
    /// Returns the id of a decision.
    pub fn of(decision: &Decision) -> Self {
        Self {
            at: decision.at,
            by: decision.by,
        }
    }
}

impl Refusal {
    /// Longest reason, in bytes.
    pub const REASON_BYTES_MAX: usize = 128;

    /// Returns the refusal of a decision for a reason, which is shortened to its limit.
    pub fn new(decision: DecisionId, reason: &str) -> Self {
        Self {
            decision,
            reason: short(reason),
        }
    }
}

fn printable_api<'de, D: Deserializer<'de>>(api: D) -> Result<Option<String>, D::Error> {
    let api = Option::<String>::deserialize(api)?;
    // A cut address would be another one.
    Ok(api.filter(|api| text::clean(api, AgentInfo::API_BYTES_MAX) == *api))
}

fn printable_version<'de, D: Deserializer<'de>>(version: D) -> Result<Option<String>, D::Error> {
    let version = Option::<String>::deserialize(version)?;
    Ok(version.filter(|it| text::clean(it, AgentInfo::VERSION_BYTES_MAX) == *it))
}

fn printable_reason<'de, D: Deserializer<'de>>(reason: D) -> Result<String, D::Error> {
    String::deserialize(reason).map(|reason| short(&reason))
}

/// Shortens a reason to its limit. The mark of a cut text counts too.
fn short(reason: &str) -> String {
    // The mark of a cut text comes on top.
    const BYTES_MAX: usize = Refusal::REASON_BYTES_MAX - '…'.len_utf8();
    text::clean(reason, BYTES_MAX)
}
