//! Values of the store, and their encoding in the file.
//!
//! A value is a version byte, the first eight bytes of a SHA-256 over table, key and payload, and a JSON payload. Redb
//! does not verify the pages that it reads; the checksum finds bits that flipped on the disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use edge_cache_core::decision::{Decision, DecisionError};
use edge_cache_core::effective::{EffectiveDecision, SetAside};
use edge_cache_core::labels::Labels;
use edge_cache_core::{
    EdgeCacheNode, EdgeCacheStats, Entry, NodeCapacity, NodeId, SourceId, ms_of, time_of,
};

/// The format of the whole file. It is raised when older versions could not read the file correctly.
pub(super) const FORMAT: u32 = 1;
const VALUE_VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 8;

/// The owner of a data directory: one node of one cluster, for the directory's whole life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The agent's own node, if it has one.
    pub node_id: Option<NodeId>,
    /// The name of the cluster.
    pub cluster_id: String,
}

impl Identity {
    /// Describes the owner.
    pub(super) fn owner(&self) -> String {
        match self.node_id {
            Some(node_id) => format!("node {node_id} of cluster {:?}", self.cluster_id),
            None => format!("an agent without a node in cluster {:?}", self.cluster_id),
        }
    }
}

/// The content of a store when it was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) entries: BTreeMap<NodeId, Entry>,
    /// The labels that the plugin wanted last for the own node.
    pub(crate) own_labels: Labels,
    pub(crate) decisions: BTreeMap<NodeId, EffectiveDecision>,
    /// The last counters of each source.
    pub(crate) sources: BTreeMap<SourceId, EdgeCacheStats>,
    /// The policies of plugins that have loaded the entries, the last one at the end.
    pub(crate) loaded: Vec<String>,
    /// The number of values that break a bound and are ignored.
    pub(crate) out_of_bounds: usize,
}

/// The changes of one batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) put: Vec<Entry>,
    pub(crate) remove: Vec<NodeId>,
    pub(crate) own_labels: Option<Labels>,
    pub(crate) decisions: Vec<Arc<EffectiveDecision>>,
    /// Nodes whose decision is forgotten.
    pub(crate) forget: Vec<NodeId>,
    /// Sources with their last counters; `None` for those that are forgotten.
    pub(crate) sources: Vec<(SourceId, Option<EdgeCacheStats>)>,
    pub(crate) loaded: Option<Vec<String>>,
}

impl ValueError {
    /// Tells whether the value is one that was written, but breaks a bound.
    pub(super) fn is_bound(&self) -> bool {
        matches!(
            self,
            Self::Entry(_) | Self::Decision(DecisionError::Bound(_))
        )
    }
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.put.is_empty()
            && self.remove.is_empty()
            && self.own_labels.is_none()
            && self.decisions.is_empty()
            && self.forget.is_empty()
            && self.sources.is_empty()
            && self.loaded.is_none()
    }
}

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
    #[error("an invalid entry: {0}")]
    Entry(String),
    #[error("an invalid decision: {0}")]
    Decision(DecisionError),
}

/// The description of the file itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Meta {
    pub(super) format: u32,
    #[serde(flatten)]
    pub(super) identity: Identity,
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
    #[serde(default)]
    set_aside: Option<SetAside>,
    /// As earlier versions wrote [`SetAside::Refused`].
    #[serde(default, skip_serializing)]
    refused: Option<String>,
}

pub(super) fn seal_decision(
    table: &str,
    effective: &EffectiveDecision,
) -> Result<Vec<u8>, serde_json::Error> {
    let stored = StoredDecision {
        decision: effective.decision.encode(),
        set_aside: effective.set_aside.clone(),
        refused: None,
    };
    seal(table, &effective.decision.node_id.to_le_bytes(), &stored)
}

pub(super) fn open_decision(
    table: &str,
    node_id: NodeId,
    value: &[u8],
) -> Result<EffectiveDecision, ValueError> {
    let stored: StoredDecision = open(table, &node_id.to_le_bytes(), value)?;
    let decision = Decision::decode(node_id, &stored.decision).map_err(ValueError::Decision)?;
    let refused = stored.refused.map(SetAside::Refused);
    Ok(EffectiveDecision {
        decision,
        set_aside: stored.set_aside.or(refused),
    })
}

pub(super) fn seal_entry(table: &str, entry: &Entry) -> Result<Vec<u8>, serde_json::Error> {
    let stored = StoredEntry {
        capacity: entry.node.capacity.clone(),
        enabled_at_ms: ms_of(entry.node.enabled_at),
        stats: entry.stats,
    };
    seal(table, &entry.node.node_id.to_le_bytes(), &stored)
}

pub(super) fn open_entry(table: &str, node_id: NodeId, value: &[u8]) -> Result<Entry, ValueError> {
    let stored: StoredEntry = open(table, &node_id.to_le_bytes(), value)?;
    let node = EdgeCacheNode {
        node_id,
        capacity: stored.capacity,
        enabled_at: time_of(stored.enabled_at_ms),
    };
    node.check().map_err(ValueError::Entry)?;
    Ok(Entry {
        node,
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
    Ok(seal_payload(table, key, &payload))
}

/// Encodes a payload that is JSON already.
pub(super) fn seal_payload(table: &str, key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut value = vec![VALUE_VERSION];
    value.extend_from_slice(&checksum(table, key, payload));
    value.extend_from_slice(payload);
    value
}

/// Checks a value and decodes its payload.
pub(super) fn open<T: DeserializeOwned>(
    table: &str,
    key: &[u8],
    value: &[u8],
) -> Result<T, ValueError> {
    let payload = payload(table, key, value)?;
    serde_json::from_slice(payload).map_err(ValueError::Json)
}

/// Checks a value and returns its payload.
pub(super) fn payload<'a>(
    table: &str,
    key: &[u8],
    value: &'a [u8],
) -> Result<&'a [u8], ValueError> {
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
    Ok(payload)
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
