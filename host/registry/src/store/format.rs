//! How values stand in the file.
//!
//! A value is a version byte, the first eight bytes of a SHA-256 over its table, key and payload, and a
//! JSON payload. Redb checks the pages that it reads against nothing, so a bit that flips on the disk shows
//! here.

use std::net::SocketAddr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::state::Identity;
use edge_cache_core::decision::Decision;
use edge_cache_core::decision::EffectiveDecision;
use edge_cache_core::{EdgeCacheNode, EdgeCacheStats, Entry, NodeCapacity, NodeId};

/// The format of the whole file. It is raised when an older version could not read the file rightly.
pub(super) const FORMAT: u32 = 1;
const VALUE_VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 8;

/// What is known of the file itself.
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

    /// Whose the file is, in words.
    pub(super) fn owner(&self) -> String {
        match self.node_id {
            Some(node_id) => format!("node {node_id} of cluster {:?}", self.cluster_id),
            None => format!("an agent without a node in cluster {:?}", self.cluster_id),
        }
    }
}

/// An entry; its node id is the key.
#[derive(Debug, Serialize, Deserialize)]
struct StoredEntry {
    capacity: NodeCapacity,
    enabled_at_ms: u64,
    stats: EdgeCacheStats,
}

/// A decision that stands, as it travels; its node id is the key.
#[derive(Debug, Serialize, Deserialize)]
struct StoredDecision {
    decision: String,
    refused: Option<String>,
}

pub(super) fn seal_decision(table: &str, effective: &EffectiveDecision) -> Result<Vec<u8>, String> {
    let stored = StoredDecision {
        decision: effective.decision.encode(),
        refused: effective.refused.clone(),
    };
    seal(table, &effective.decision.node_id.to_le_bytes(), &stored)
}

pub(super) fn open_decision(
    table: &str,
    node_id: NodeId,
    value: &[u8],
) -> Result<EffectiveDecision, String> {
    let StoredDecision { decision, refused } = open(table, &node_id.to_le_bytes(), value)?;
    let decision = Decision::decode(node_id, &decision).map_err(|error| error.to_string())?;
    Ok(EffectiveDecision::new(decision, refused))
}

/// Where a peer was seen last.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredPeer {
    pub(super) node_id: NodeId,
    pub(super) address: SocketAddr,
    pub(super) seen_ms: u64,
}

pub(super) fn seal_entry(table: &str, entry: &Entry) -> Result<Vec<u8>, String> {
    let since = entry
        .node
        .enabled_at
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let stored = StoredEntry {
        capacity: entry.node.capacity.clone(),
        enabled_at_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        stats: entry.stats,
    };
    seal(table, &entry.node.node_id.to_le_bytes(), &stored)
}

pub(super) fn open_entry(table: &str, node_id: NodeId, value: &[u8]) -> Result<Entry, String> {
    let stored: StoredEntry = open(table, &node_id.to_le_bytes(), value)?;
    stored.capacity.check()?;
    let enabled_at = std::time::SystemTime::UNIX_EPOCH
        .checked_add(std::time::Duration::from_millis(stored.enabled_at_ms))
        .ok_or("a time out of range")?;
    Ok(Entry {
        node: EdgeCacheNode {
            node_id,
            capacity: stored.capacity,
            enabled_at,
        },
        stats: stored.stats,
    })
}

/// A sealed value of `payload`.
pub(super) fn seal(table: &str, key: &[u8], payload: &impl Serialize) -> Result<Vec<u8>, String> {
    let payload = serde_json::to_vec(payload).map_err(|error| error.to_string())?;
    let mut value = vec![VALUE_VERSION];
    value.extend_from_slice(&checksum(table, key, &payload));
    value.extend_from_slice(&payload);
    Ok(value)
}

/// The payload of a sealed value.
pub(super) fn open<T: DeserializeOwned>(
    table: &str,
    key: &[u8],
    value: &[u8],
) -> Result<T, String> {
    let (version, rest) = value.split_first().ok_or("an empty value")?;
    if *version != VALUE_VERSION {
        return Err(format!("a value of version {version}"));
    }
    let (sum, payload) = rest
        .split_at_checked(CHECKSUM_BYTES)
        .ok_or("a value that is cut")?;
    if sum != checksum(table, key, payload) {
        return Err("a value whose checksum does not match".to_string());
    }
    serde_json::from_slice(payload).map_err(|error| error.to_string())
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
