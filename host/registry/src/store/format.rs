//! Encoding of values in the file.
//!
//! A value is a version byte, the first eight bytes of a SHA-256 over table, key and payload, and a JSON payload. Redb
//! does not verify the pages that it reads; the checksum finds bits that flipped on the disk.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::state::Identity;
use edge_cache_core::decision::{Decision, DecisionError, EffectiveDecision, ms_of};
use edge_cache_core::{EdgeCacheNode, EdgeCacheStats, Entry, NodeCapacity, NodeId};

/// The format of the whole file. It is raised when older versions could not read the file correctly.
pub(super) const FORMAT: u32 = 1;
const VALUE_VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 8;

/// A fault of a value; the text continues "it has".
#[derive(Debug, Error)]
pub(super) enum ValueError {
    #[error("an empty value")]
    Empty,
    #[error("a value of version {0}")]
    Version(u8),
    #[error("a value that is cut")]
    Cut,
    #[error("a value whose checksum does not match")]
    Checksum,
    #[error("a value that is not the expected JSON: {0}")]
    Json(serde_json::Error),
    #[error("an invalid capacity: {0}")]
    Capacity(String),
    #[error("a time out of range")]
    Time,
    #[error("an invalid decision: {0}")]
    Decision(DecisionError),
}

/// The description of the file itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    pub(super) format: u32,
    pub(super) node_id: Option<NodeId>,
    pub(super) cluster_id: String,
}

impl Meta {
    pub(super) fn new(identity: &Identity) -> Self {
        Self {
            format: FORMAT,
            node_id: identity.node_id,
            cluster_id: identity.cluster_id.clone(),
        }
    }

    /// Describes the owner of the file.
    pub(super) fn owner(&self) -> String {
        match self.node_id {
            Some(node_id) => format!("node {node_id} of cluster {:?}", self.cluster_id),
            None => format!("an agent without a node in cluster {:?}", self.cluster_id),
        }
    }
}

/// The last address of a peer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredPeer {
    pub(super) node_id: NodeId,
    pub(super) address: SocketAddr,
    pub(super) seen_ms: u64,
}

/// An entry; its node id is the key.
#[derive(Debug, Serialize, Deserialize)]
struct StoredEntry {
    capacity: NodeCapacity,
    enabled_at_ms: u64,
    stats: EdgeCacheStats,
}

/// An effective decision in its wire format; its node id is the key.
#[derive(Debug, Serialize, Deserialize)]
struct StoredDecision {
    decision: String,
    refused: Option<String>,
}

/// Encodes an effective decision.
pub(super) fn seal_decision(
    table: &str,
    effective: &EffectiveDecision,
) -> Result<Vec<u8>, serde_json::Error> {
    let stored = StoredDecision {
        decision: effective.decision.encode(),
        refused: effective.refused.clone(),
    };
    seal(table, &effective.decision.node_id.to_le_bytes(), &stored)
}

/// Decodes an effective decision.
pub(super) fn open_decision(
    table: &str,
    node_id: NodeId,
    value: &[u8],
) -> Result<EffectiveDecision, ValueError> {
    let StoredDecision { decision, refused } = open(table, &node_id.to_le_bytes(), value)?;
    let decision = Decision::decode(node_id, &decision).map_err(ValueError::Decision)?;
    Ok(EffectiveDecision::new(decision, refused))
}

/// Encodes an entry.
pub(super) fn seal_entry(table: &str, entry: &Entry) -> Result<Vec<u8>, serde_json::Error> {
    let stored = StoredEntry {
        capacity: entry.node.capacity.clone(),
        enabled_at_ms: ms_of(entry.node.enabled_at),
        stats: entry.stats,
    };
    seal(table, &entry.node.node_id.to_le_bytes(), &stored)
}

/// Decodes an entry.
pub(super) fn open_entry(table: &str, node_id: NodeId, value: &[u8]) -> Result<Entry, ValueError> {
    let stored: StoredEntry = open(table, &node_id.to_le_bytes(), value)?;
    stored.capacity.check().map_err(ValueError::Capacity)?;
    let enabled_at = SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_millis(stored.enabled_at_ms))
        .ok_or(ValueError::Time)?;
    Ok(Entry {
        node: EdgeCacheNode {
            node_id,
            capacity: stored.capacity,
            enabled_at,
        },
        stats: stored.stats,
    })
}

/// Encodes a payload for its table and key.
pub(super) fn seal(
    table: &str,
    key: &[u8],
    payload: &impl Serialize,
) -> Result<Vec<u8>, serde_json::Error> {
    let payload = serde_json::to_vec(payload)?;
    let mut value = vec![VALUE_VERSION];
    value.extend_from_slice(&checksum(table, key, &payload));
    value.extend_from_slice(&payload);
    Ok(value)
}

/// Checks a value and decodes its payload.
pub(super) fn open<T: DeserializeOwned>(
    table: &str,
    key: &[u8],
    value: &[u8],
) -> Result<T, ValueError> {
    let (version, rest) = value.split_first().ok_or(ValueError::Empty)?;
    if *version != VALUE_VERSION {
        return Err(ValueError::Version(*version));
    }
    let (sum, payload) = rest
        .split_at_checked(CHECKSUM_BYTES)
        .ok_or(ValueError::Cut)?;
    if sum != checksum(table, key, payload) {
        return Err(ValueError::Checksum);
    }
    serde_json::from_slice(payload).map_err(ValueError::Json)
}

fn checksum(table: &str, key: &[u8], payload: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest = Sha256::new()
        .chain_update(table)
        .chain_update([0])
        .chain_update(key)
        .chain_update(payload)
        .finalize();
    let mut sum = [0; CHECKSUM_BYTES];
    for (to, from) in sum.iter_mut().zip(digest) {
        *to = from;
    }
    sum
}
