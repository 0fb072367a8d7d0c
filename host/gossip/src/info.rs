//! Node info: the record that a node announces about itself, in the wire format of ZLayer's overlay.
//!
//! A record is one key-value pair of its member: `worker:<node id>` and the base64url of a JSON
//! object. ZLayer nodes ignore the fields that only agents write. All node info is in one value, so
//! readers never see half of a change. Writer and reader check the size: chitchat silently stops
//! replicating a member whose value does not fit a datagram.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edge_cache_core::{AgentInfo, PeerInfo, text};
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// Maximum length of a JSON error's text, in bytes: it may quote the record, which a peer wrote.
const REASON_BYTES_MAX: usize = 120;

/// A node info in its wire format, with the fields that only agents write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeRecord {
    #[serde(flatten)]
    pub(crate) info: PeerInfo,
    /// `true` if the node is stopping. It is no longer a peer then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) leaving: bool,
    /// Policy digest: identifies the plugin and its settings. Only agents have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
}

/// The fields of a record that are written and not part of [`NodeRecord`]: those of the info's agent.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    record: &'a NodeRecord,
    #[serde(flatten)]
    agent: Option<&'a AgentInfo>,
}

/// A record as it is read.
#[derive(Deserialize)]
struct Read {
    #[serde(flatten)]
    record: NodeRecord,
    #[serde(flatten)]
    agent: AgentInfo,
}

/// The record of a node that is stopping. ZLayer's nodes cannot read it, and so list the node no longer.
#[derive(Serialize, Deserialize)]
struct LeaveRecord {
    node_id: u64,
    leaving: bool,
}

/// An error encoding or decoding a record. The announcement and the known infos are unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InfoError {
    /// The encoded record is over the limit. For the own record, use fewer or shorter labels.
    #[error("node info takes {bytes} bytes encoded, the limit is {limit}", limit = PeerInfo::ENCODED_BYTES_MAX)]
    TooLarge {
        /// Size of the encoded record.
        bytes: usize,
    },
    /// The value is not base64url without padding.
    #[error("node info is not base64url without padding")]
    Base64,
    /// The value is not the JSON object of a [`PeerInfo`].
    #[error("node info is not the expected JSON: {0}")]
    Json(String),
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
    /// Encodes the record for the wire.
    ///
    /// # Errors
    ///
    /// [`InfoError::TooLarge`] if it would be longer than [`PeerInfo::ENCODED_BYTES_MAX`].
    pub(crate) fn encode(&self) -> Result<String, InfoError> {
        let json = if self.leaving {
            serde_json::to_vec(&LeaveRecord {
                node_id: self.info.node_id,
                leaving: true,
            })
        } else {
            serde_json::to_vec(&Written {
                record: self,
                agent: self.info.agent.as_ref(),
            })
        }?;
        let encoded = URL_SAFE_NO_PAD.encode(json);
        check_size(encoded.len())?;
        Ok(encoded)
    }

    /// Decodes a record. The caller checks that the record is for its member's node.
    ///
    /// # Errors
    ///
    /// Any [`InfoError`]. A record over the limit is not decoded.
    pub(crate) fn decode(encoded: &str) -> Result<Self, InfoError> {
        check_size(encoded.len())?;
        let json = URL_SAFE_NO_PAD
            .decode(encoded)
            .map_err(|_| InfoError::Base64)?;
        let leave = serde_json::from_slice(&json);
        if let Ok(LeaveRecord {
            node_id,
            leaving: true,
        }) = leave
        {
            return Ok(Self {
                leaving: true,
                ..PeerInfo::placeholder(node_id).into()
            });
        }
        let Read { mut record, agent } = serde_json::from_slice(&json)?;
        record.info.agent = record.policy.is_some().then_some(agent);
        Ok(record)
    }
}

impl From<serde_json::Error> for InfoError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(text::clean(&error.to_string(), REASON_BYTES_MAX))
    }
}

/// Checks the size of an encoded record.
pub(crate) fn check_size(bytes: usize) -> Result<(), InfoError> {
    if bytes > PeerInfo::ENCODED_BYTES_MAX {
        return Err(InfoError::TooLarge { bytes });
    }
    Ok(())
}

/// Returns the node id in a key or member name. Other spellings of the number, such as `worker:07`,
/// give `None`, so that each node has one name.
pub(crate) fn node_id_of(key: &str) -> Option<u64> {
    let digits = key.strip_prefix(PeerInfo::KEY_PREFIX)?;
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_short = digits == "0" || !digits.starts_with('0');
    (is_plain && is_short)
        .then(|| digits.parse().ok())
        .flatten()
}
