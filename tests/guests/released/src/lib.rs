//! A small registry of 0.1.0, whatever `wit/` has become since.
//!
//! It weighs every node alike and never refuses: what counts is which version it was built against.

use std::cell::RefCell;
use std::collections::BTreeMap;

use bindings::exports::zlayer::edge_cache::{placement, registry, state};
use bindings::wasi::clocks::wall_clock::{self, Datetime};
use bindings::zlayer::edge_cache::gossip_labels::publish;
use bindings::zlayer::edge_cache::types::{
    EdgeCacheError, EdgeCacheNode, EdgeCacheStats, Entry, Label, NodeCapacity, NodeId,
};

mod bindings {
    #![allow(
        unsafe_code,
        reason = "wit-bindgen's code talks to the host through raw memory"
    )]

    wit_bindgen::generate!({
        path: "../../wit/0.1.0",
        world: "edge-cache-plugin",
        generate_all,
    });

    export!(Released with_types_in self);

    use super::Released;
}

const LABEL: &str = "edge_cache";
const NANOS_PER_MILLI: u32 = 1_000_000;
const ZERO: EdgeCacheStats = EdgeCacheStats { hits: 0, misses: 0 };

thread_local! {
    static ENTRIES: RefCell<BTreeMap<NodeId, Entry>> = const { RefCell::new(BTreeMap::new()) };
}

struct Released;

impl registry::Guest for Released {
    fn enable(node_id: NodeId, capacity: NodeCapacity) -> Result<EdgeCacheNode, EdgeCacheError> {
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
        let stats = ZERO;
        let entry = Entry { node, stats };
        ENTRIES.with_borrow_mut(|entries| entries.insert(node_id, entry.clone()));
        Ok(entry.node)
    }

    fn disable(node_id: NodeId) -> Result<(), EdgeCacheError> {
        if !Self::is_enabled(node_id) {
            return Err(EdgeCacheError::NodeNotFound(node_id));
        }
        show(node_id, false).map_err(EdgeCacheError::Gossip)?;
        ENTRIES.with_borrow_mut(|entries| entries.remove(&node_id));
        Ok(())
    }

    fn is_enabled(node_id: NodeId) -> bool {
        ENTRIES.with_borrow(|entries| entries.contains_key(&node_id))
    }

    fn list_eligible() -> Vec<EdgeCacheNode> {
        ENTRIES.with_borrow(|entries| entries.values().map(|entry| entry.node.clone()).collect())
    }

    fn stats(node_id: NodeId) -> EdgeCacheStats {
        ENTRIES.with_borrow(|entries| entries.get(&node_id).map_or(ZERO, |entry| entry.stats))
    }

    fn add_stats(node_id: NodeId, delta: EdgeCacheStats) -> Result<EdgeCacheStats, EdgeCacheError> {
        ENTRIES.with_borrow_mut(|entries| {
            let entry = entries
                .get_mut(&node_id)
                .ok_or(EdgeCacheError::NodeNotFound(node_id))?;
            entry.stats.hits = entry.stats.hits.saturating_add(delta.hits);
            entry.stats.misses = entry.stats.misses.saturating_add(delta.misses);
            Ok(entry.stats)
        })
    }
}

impl state::Guest for Released {
    fn load(entries: Vec<Entry>) -> Result<(), String> {
        Self::apply(entries.into_iter().map(state::Change::Put).collect())
    }

    fn apply(changes: Vec<state::Change>) -> Result<(), String> {
        for change in changes {
            match change {
                state::Change::Put(entry) => {
                    let node_id = entry.node.node_id;
                    show(node_id, true)?;
                    ENTRIES.with_borrow_mut(|entries| entries.insert(node_id, entry));
                }
                state::Change::Remove(node_id) => {
                    show(node_id, false)?;
                    ENTRIES.with_borrow_mut(|entries| entries.remove(&node_id));
                }
            }
        }
        Ok(())
    }
}

impl placement::Guest for Released {
    fn assess(peer: placement::Peer) -> Option<placement::Candidate> {
        peer.labels
            .iter()
            .any(|label| label.key == LABEL)
            .then_some(placement::Candidate {
                weight: 1,
                geo: None,
            })
    }
}

fn show(node_id: NodeId, eligible: bool) -> Result<(), String> {
    let label = Label {
        key: LABEL.to_string(),
        value: "true".to_string(),
    };
    let labels = if eligible { vec![label] } else { Vec::new() };
    publish(node_id, &labels).map_err(|error| format!("{error:?}"))
}
