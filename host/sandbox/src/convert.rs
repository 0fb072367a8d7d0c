//! Conversion between the values of a plugin and those of the host.
//!
//! Values of a plugin are not trusted: every bound of the contract is checked here. The texts about broken
//! bounds are the host's own.

use std::time::{Duration, SystemTime};

use edge_cache_core::labels::Labels;
use edge_cache_core::text;
use edge_cache_core::{
    Change, EdgeCacheError, EdgeCacheNode, EdgeCacheStats, Entry, NodeCapacity, NodeId, check_geo,
};
use edge_cache_routing::{Candidate, WEIGHT_MAX};
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;

use crate::bindings::placement as wit_placement;
use crate::bindings::state as wit_state;
use crate::bindings::types as wit;

/// Implements `From` for records of the same fields.
macro_rules! convert_records {
    ($($from:ty => $to:ty { $($field:ident),* };)*) => {$(
        impl From<$from> for $to {
            fn from(from: $from) -> Self {
                Self { $($field: from.$field),* }
            }
        }
    )*};
}

convert_records! {
    NodeCapacity => wit::NodeCapacity { cpu_cores, ram_mib, disk_mib, geo };
    wit::NodeCapacity => NodeCapacity { cpu_cores, ram_mib, disk_mib, geo };
    EdgeCacheStats => wit::EdgeCacheStats { hits, misses };
    wit::EdgeCacheStats => EdgeCacheStats { hits, misses };
    wit_placement::Candidate => Candidate { weight, geo };
}

const NANOS_PER_MILLI: u32 = 1_000_000;
const NANOS_END: u32 = 1_000_000_000;

/// Converts a node and checks its bounds.
pub(crate) fn node(node: wit::EdgeCacheNode) -> Result<EdgeCacheNode, String> {
    let enabled_at = time(node.enabled_at)
        .map_err(|reason| format!("enabled-at of node {} {reason}", node.node_id))?;
    let node = EdgeCacheNode {
        node_id: node.node_id,
        capacity: node.capacity.into(),
        enabled_at,
    };
    node.check()?;
    Ok(node)
}

/// Converts a list of nodes, which must be ascending and name each node once.
pub(crate) fn nodes(list: Vec<wit::EdgeCacheNode>) -> Result<Vec<EdgeCacheNode>, String> {
    let mut nodes: Vec<EdgeCacheNode> = Vec::with_capacity(list.len());
    for item in list {
        let item = node(item)?;
        match nodes.last() {
            Some(last) if last.node_id == item.node_id => {
                return Err(format!("node {} is listed twice", item.node_id));
            }
            Some(last) if last.node_id > item.node_id => {
                return Err(format!(
                    "node {} is listed after node {}, the list must be ascending",
                    item.node_id, last.node_id
                ));
            }
            _ => nodes.push(item),
        }
    }
    Ok(nodes)
}

/// Converts an error. Its text is cut and cleaned.
pub(crate) fn error(error: wit::EdgeCacheError) -> EdgeCacheError {
    match error {
        wit::EdgeCacheError::Gossip(reason) => EdgeCacheError::Gossip(clean(&reason)),
        wit::EdgeCacheError::NodeNotFound(id) => EdgeCacheError::NodeNotFound(id),
        wit::EdgeCacheError::InvalidCapacity(reason) => {
            EdgeCacheError::InvalidCapacity(clean(&reason))
        }
    }
}

/// Cuts and cleans a text of a plugin.
pub(crate) fn clean(text: &str) -> String {
    text::clean(text, text::ERROR_BYTES_MAX)
}

pub(crate) fn candidate(candidate: wit_placement::Candidate) -> Result<Candidate, String> {
    if candidate.weight == 0 || candidate.weight > WEIGHT_MAX {
        return Err(format!(
            "the weight must be 1 to {WEIGHT_MAX}, got {}",
            candidate.weight
        ));
    }
    if let Some(geo) = &candidate.geo {
        check_geo(geo)?;
    }
    Ok(candidate.into())
}

pub(crate) fn wit_entry(entry: &Entry) -> wit::Entry {
    wit::Entry {
        node: wit::EdgeCacheNode {
            node_id: entry.node.node_id,
            capacity: entry.node.capacity.clone().into(),
            enabled_at: wit_time(entry.node.enabled_at),
        },
        stats: entry.stats.into(),
    }
}

pub(crate) fn wit_change(change: &Change) -> wit_state::Change {
    match change {
        Change::Put(entry) => wit_state::Change::Put(wit_entry(entry)),
        Change::Remove(node_id) => wit_state::Change::Remove(*node_id),
    }
}

pub(crate) fn wit_peer(node_id: NodeId, labels: &Labels) -> wit_placement::Peer {
    wit_placement::Peer {
        node_id,
        labels: labels
            .iter()
            .map(|(key, value)| wit::Label {
                key: key.clone(),
                value: value.clone(),
            })
            .collect(),
    }
}

fn time(time: Datetime) -> Result<SystemTime, String> {
    if time.nanoseconds >= NANOS_END || !time.nanoseconds.is_multiple_of(NANOS_PER_MILLI) {
        return Err(format!(
            "must be whole milliseconds, got {} nanoseconds",
            time.nanoseconds
        ));
    }
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::new(time.seconds, time.nanoseconds))
        .ok_or_else(|| "must be before the year 10000".to_string())
}

fn wit_time(time: SystemTime) -> Datetime {
    // Every time in the registry was checked by `time`, so none is before 1970.
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Datetime {
        seconds: since.as_secs(),
        nanoseconds: since.subsec_nanos(),
    }
}
