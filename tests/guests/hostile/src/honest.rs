//! The registry as it should be, so that only the misdeeds are wrong.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::bindings::exports::zlayer::edge_cache::placement::{Candidate, Peer};
use crate::bindings::exports::zlayer::edge_cache::state::Change;
use crate::bindings::wasi::clocks0_2_0::wall_clock::{self, Datetime};
use crate::bindings::zlayer::edge_cache::gossip_labels::publish;
use crate::bindings::zlayer::edge_cache::types::{
    EdgeCacheError, EdgeCacheNode, EdgeCacheStats, Entry, Label, NodeCapacity, NodeId,
};

const NANOS_PER_MILLI: u32 = 1_000_000;

thread_local! {
    static ENTRIES: RefCell<BTreeMap<NodeId, Entry>> = const { RefCell::new(BTreeMap::new()) };
}

pub(crate) fn enable(
    node_id: NodeId,
    capacity: NodeCapacity,
) -> Result<EdgeCacheNode, EdgeCacheError> {
    let now = wall_clock::now();
    let node = EdgeCacheNode {
        node_id,
        capacity,
        enabled_at: Datetime {
            seconds: now.seconds,
            nanoseconds: now.nanoseconds - now.nanoseconds % NANOS_PER_MILLI,
        },
    };
    show(node_id, true).map_err(EdgeCacheError::Gossip)?;
    put(Entry {
        node: node.clone(),
        stats: zero(),
    });
    Ok(node)
}

pub(crate) fn disable(node_id: NodeId) -> Result<(), EdgeCacheError> {
    if !is_enabled(node_id) {
        return Err(EdgeCacheError::NodeNotFound(node_id));
    }
    show(node_id, false).map_err(EdgeCacheError::Gossip)?;
    ENTRIES.with_borrow_mut(|entries| entries.remove(&node_id));
    Ok(())
}

pub(crate) fn is_enabled(node_id: NodeId) -> bool {
    ENTRIES.with_borrow(|entries| entries.contains_key(&node_id))
}

pub(crate) fn list() -> Vec<EdgeCacheNode> {
    ENTRIES.with_borrow(|entries| entries.values().map(|entry| entry.node.clone()).collect())
}

pub(crate) fn stats(node_id: NodeId) -> EdgeCacheStats {
    ENTRIES.with_borrow(|entries| entries.get(&node_id).map_or_else(zero, |entry| entry.stats))
}

pub(crate) fn add_stats(
    node_id: NodeId,
    delta: EdgeCacheStats,
) -> Result<EdgeCacheStats, EdgeCacheError> {
    ENTRIES.with_borrow_mut(|entries| {
        let entry = entries
            .get_mut(&node_id)
            .ok_or(EdgeCacheError::NodeNotFound(node_id))?;
        entry.stats.hits = entry.stats.hits.saturating_add(delta.hits);
        entry.stats.misses = entry.stats.misses.saturating_add(delta.misses);
        Ok(entry.stats)
    })
}

pub(crate) fn load(entries: Vec<Entry>) -> Result<(), String> {
    apply(entries.into_iter().map(Change::Put).collect())
}

pub(crate) fn apply(changes: Vec<Change>) -> Result<(), String> {
    for change in changes {
        match change {
            Change::Put(entry) => {
                show(entry.node.node_id, true)?;
                put(entry);
            }
            Change::Remove(node_id) => {
                show(node_id, false)?;
                ENTRIES.with_borrow_mut(|entries| entries.remove(&node_id));
            }
        }
    }
    Ok(())
}

pub(crate) fn assess(peer: &Peer) -> Option<Candidate> {
    let value = |key: &str| {
        let label = peer.labels.iter().find(|label| label.key == key);
        label.map(|label| label.value.as_str())
    };
    value("edge_cache")?;
    let cores = value("edge_cache_cpu").and_then(|cores| cores.parse().ok());
    Some(Candidate {
        weight: cores.unwrap_or(1),
        geo: None,
    })
}

fn put(entry: Entry) {
    ENTRIES.with_borrow_mut(|entries| entries.insert(entry.node.node_id, entry));
}

fn show(node_id: NodeId, eligible: bool) -> Result<(), String> {
    let label = Label {
        key: "edge_cache".to_string(),
        value: "true".to_string(),
    };
    let labels = if eligible { vec![label] } else { Vec::new() };
    publish(node_id, &labels).map_err(|error| format!("{error:?}"))
}

const fn zero() -> EdgeCacheStats {
    EdgeCacheStats { hits: 0, misses: 0 }
}
