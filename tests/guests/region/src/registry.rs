//! The entries, and the labels that follow from them: every change publishes first, so that what is
//! refused has changed nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::bindings::exports::zlayer::edge_cache::state::Change;
use crate::bindings::wasi::clocks::wall_clock::{self, Datetime};
use crate::bindings::zlayer::edge_cache::gossip_labels::{LabelError, publish};
use crate::bindings::zlayer::edge_cache::types::{
    EdgeCacheError, EdgeCacheNode, EdgeCacheStats, Entry, Label, NodeCapacity, NodeId,
};
use crate::policy;

/// The counters of a node that is not registered.
pub(crate) const ZERO: EdgeCacheStats = EdgeCacheStats { hits: 0, misses: 0 };
const NANOS_PER_MILLI: u32 = 1_000_000;

thread_local! {
    static ENTRIES: RefCell<BTreeMap<NodeId, Entry>> = const { RefCell::new(BTreeMap::new()) };
}

pub(crate) fn enable(
    node_id: NodeId,
    capacity: NodeCapacity,
) -> Result<EdgeCacheNode, EdgeCacheError> {
    policy::check(&capacity).map_err(EdgeCacheError::InvalidCapacity)?;
    let now = wall_clock::now();
    show(node_id, &policy::labels(&capacity)).map_err(EdgeCacheError::Gossip)?;
    let node = EdgeCacheNode {
        node_id,
        capacity,
        enabled_at: Datetime {
            seconds: now.seconds,
            nanoseconds: now.nanoseconds - now.nanoseconds % NANOS_PER_MILLI,
        },
    };
    put(Entry {
        node: node.clone(),
        stats: ZERO,
    });
    Ok(node)
}

pub(crate) fn disable(node_id: NodeId) -> Result<(), EdgeCacheError> {
    if find(node_id).is_none() {
        return Err(EdgeCacheError::NodeNotFound(node_id));
    }
    show(node_id, &[]).map_err(EdgeCacheError::Gossip)?;
    remove(node_id);
    Ok(())
}

pub(crate) fn find(node_id: NodeId) -> Option<Entry> {
    ENTRIES.with_borrow(|entries| entries.get(&node_id).cloned())
}

pub(crate) fn list() -> Vec<EdgeCacheNode> {
    ENTRIES.with_borrow(|entries| entries.values().map(|entry| entry.node.clone()).collect())
}

pub(crate) fn add_stats(
    node_id: NodeId,
    delta: EdgeCacheStats,
) -> Result<EdgeCacheStats, EdgeCacheError> {
    let mut entry = find(node_id).ok_or(EdgeCacheError::NodeNotFound(node_id))?;
    entry.stats.hits = entry.stats.hits.saturating_add(delta.hits);
    entry.stats.misses = entry.stats.misses.saturating_add(delta.misses);
    let totals = entry.stats;
    put(entry);
    Ok(totals)
}

/// Of several changes of a node the last one holds, and all of them must be such as could.
pub(crate) fn apply(changes: Vec<Change>) -> Result<(), String> {
    let mut last = BTreeMap::new();
    for change in changes {
        match change {
            Change::Put(entry) => {
                let node_id = entry.node.node_id;
                policy::check(&entry.node.capacity).map_err(|reason| {
                    format!("node {node_id} is not for this registry: {reason}")
                })?;
                last.insert(node_id, Some(entry));
            }
            Change::Remove(node_id) => {
                last.insert(node_id, None);
            }
        }
    }
    for (node_id, entry) in &last {
        match entry {
            Some(entry) => show(*node_id, &policy::labels(&entry.node.capacity))?,
            None if find(*node_id).is_some() => show(*node_id, &[])?,
            None => {}
        }
    }
    for (node_id, entry) in last {
        match entry {
            Some(entry) => put(entry),
            None => remove(node_id),
        }
    }
    Ok(())
}

fn put(entry: Entry) {
    ENTRIES.with_borrow_mut(|entries| entries.insert(entry.node.node_id, entry));
}

fn remove(node_id: NodeId) {
    ENTRIES.with_borrow_mut(|entries| entries.remove(&node_id));
}

fn show(node_id: NodeId, labels: &[Label]) -> Result<(), String> {
    publish(node_id, labels).map_err(|error| match error {
        LabelError::Denied(reason) => format!("the labels are denied: {reason}"),
        LabelError::TooLarge(limit) => format!("the labels are larger than {limit} bytes"),
        LabelError::Unavailable(reason) => format!("no labels are taken: {reason}"),
    })
}
