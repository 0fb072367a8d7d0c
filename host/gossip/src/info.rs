//! The record that a node announces about itself, in the wire format of ZLayer's overlay.
//!
//! A record is one key-value pair of its member: `worker:<node id>` and the base64url of a JSON
//! object, which a ZLayer node reads as its own: it ignores the fields that only agents know. Everything about a node is in this one value because readers then never see half of a
//! change. The size is limited on both sides: chitchat goes on without a word when a value is too
//! large to travel, and so does everything that its node writes later.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// Keys with this prefix hold records, and names of members have it too.
pub(super) const KEY_PREFIX: &str = "worker:";

/// How much of a JSON error's text is kept: it may quote the record, which a peer has chosen.
const PROBLEM_CHARS_MAX: usize = 120;

/// What a node tells the others about itself.
///
/// The fields, their order and their names are the wire format. A reader ignores fields that it
/// does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PeerInfo {
    /// The node's number in its cluster.
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub node_id: u64,
    /// Public key of the node's WireGuard interface; empty where it is not known.
    pub wg_pubkey: String,
    /// Where the node's WireGuard interface listens; `0.0.0.0:0` where it is not known.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub wg_endpoint: SocketAddr,
    /// The node's address inside the overlay; empty where it is not known.
    pub overlay_ip: String,
    /// Free labels, among them those of the registry. May be absent on the wire.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// A node info as it travels: what ZLayer's nodes write, and what only agents say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NodeRecord {
    #[serde(flatten)]
    pub(super) info: PeerInfo,
    /// Whether the node is about to stop. It is no peer any more then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) leaving: bool,
    /// What decides about labels on the node: a digest of the component and its settings. Only agents
    /// have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) policy: Option<String>,
}

/// Why a record could not be written or read. Nothing was announced or taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InfoError {
    /// The encoded record is over the limit. Writing, fewer or shorter labels help.
    #[error("node info takes {bytes} bytes encoded, the limit is {limit}")]
    TooLarge {
        /// Size of the encoded record.
        bytes: usize,
        /// [`PeerInfo::ENCODED_BYTES_MAX`].
        limit: usize,
    },
    /// The value is not base64url without padding.
    #[error("node info is not base64url without padding")]
    Base64,
    /// The value holds something else than the JSON object of a [`PeerInfo`].
    #[error("node info is not the expected JSON: {problem}")]
    Json {
        /// The beginning of what the JSON reader said.
        problem: String,
    },
}

impl PeerInfo {
    /// The largest encoded record, in bytes. chitchat stops replicating a node at 65,440 bytes, and
    /// a record shares its datagram with a digest of all members.
    pub const ENCODED_BYTES_MAX: usize = 16 * 1024;

    /// The record of a node about which only its number is known, as ZLayer's daemon fills it.
    #[must_use]
    pub fn placeholder(node_id: u64) -> Self {
        Self {
            node_id,
            wg_pubkey: String::new(),
            wg_endpoint: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            overlay_ip: String::new(),
            labels: BTreeMap::new(),
        }
    }

    /// The key under which a node's record stands; also the name of the node's gossip member.
    #[must_use]
    pub fn key(node_id: u64) -> String {
        format!("{KEY_PREFIX}{node_id}")
    }
}

impl From<PeerInfo> for NodeRecord {
    fn from(info: PeerInfo) -> Self {
        Self {
            info,
            leaving: false,
            policy: None,
        }
    }
}

impl NodeRecord {
    /// The record as it travels.
    ///
    /// # Errors
    ///
    /// [`InfoError::TooLarge`] if it would be longer than [`PeerInfo::ENCODED_BYTES_MAX`].
    pub(super) fn encode(&self) -> Result<String, InfoError> {
        let json = serde_json::to_vec(self).map_err(|error| InfoError::json(&error))?;
        let encoded = URL_SAFE_NO_PAD.encode(json);
        check_size(encoded.len())?;
        Ok(encoded)
    }

    /// RecordReading a record that has travelled. Whether it may speak for its node is not judged here.
    ///
    /// # Errors
    ///
    /// Any [`InfoError`]; a record over the limit is not even looked at.
    pub(super) fn decode(encoded: &str) -> Result<Self, InfoError> {
        check_size(encoded.len())?;
        let json = URL_SAFE_NO_PAD
            .decode(encoded)
            .map_err(|_| InfoError::Base64)?;
        serde_json::from_slice(&json).map_err(|error| InfoError::json(&error))
    }
}

impl InfoError {
    fn json(error: &serde_json::Error) -> Self {
        let problem = error.to_string().chars().take(PROBLEM_CHARS_MAX).collect();
        Self::Json { problem }
    }
}

/// Refuses a size over the limit.
pub(super) fn check_size(bytes: usize) -> Result<(), InfoError> {
    let limit = PeerInfo::ENCODED_BYTES_MAX;
    if bytes > limit {
        return Err(InfoError::TooLarge { bytes, limit });
    }
    Ok(())
}

/// The node id in a key or in the name of a member. Other spellings of a number (`worker:07`) are
/// none, so that two names never mean one node.
pub(super) fn node_id_of(key: &str) -> Option<u64> {
    let node_id = key.strip_prefix(KEY_PREFIX)?.parse().ok()?;
    (PeerInfo::key(node_id) == key).then_some(node_id)
}
