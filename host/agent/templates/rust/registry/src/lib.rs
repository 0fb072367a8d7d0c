//! A registry of nodes with enough cores: traffic follows their number.

use std::cell::RefCell;
use std::collections::BTreeMap;

use exports::zlayer::edge_cache::{placement, registry, state};
use wasi::{clocks::wall_clock, config::store, logging::logging};
use zlayer::edge_cache::gossip_labels;
use zlayer::edge_cache::types::*;

wit_bindgen::generate!({ path: "wit", world: "edge-cache-plugin", generate_all });

struct Component;
export!(Component);

const NANOS_PER_MILLI: u32 = 1_000_000;
const ZERO: EdgeCacheStats = EdgeCacheStats { hits: 0, misses: 0 };

thread_local! {
    static ENTRIES: RefCell<BTreeMap<NodeId, Entry>> = const { RefCell::new(BTreeMap::new()) };
}

impl registry::Guest for Component {
    fn enable(node_id: NodeId, capacity: NodeCapacity) -> Result<EdgeCacheNode, EdgeCacheError> {
        let least = least_cores().map_err(EdgeCacheError::InvalidCapacity)?;
        if capacity.cpu_cores < least {
            let why = format!("cpu_cores must be at least {least}");
            return Err(EdgeCacheError::InvalidCapacity(why));
        }
        let now = wall_clock::now();
        show(node_id, Some(&capacity)).map_err(EdgeCacheError::Gossip)?;
        let nanoseconds = now.nanoseconds - now.nanoseconds % NANOS_PER_MILLI;
        let enabled_at = wall_clock::Datetime { seconds: now.seconds, nanoseconds };
        let node = EdgeCacheNode { node_id, capacity, enabled_at };
        let entry = Entry { node: node.clone(), stats: ZERO };
        ENTRIES.with_borrow_mut(|entries| entries.insert(node_id, entry));
        Ok(node)
    }

    fn disable(node_id: NodeId) -> Result<(), EdgeCacheError> {
        if !Self::is_enabled(node_id) {
            return Err(EdgeCacheError::NodeNotFound(node_id));
        }
        show(node_id, None).map_err(EdgeCacheError::Gossip)?;
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
            let entry = entries.get_mut(&node_id).ok_or(EdgeCacheError::NodeNotFound(node_id))?;
            entry.stats.hits = entry.stats.hits.saturating_add(delta.hits);
            entry.stats.misses = entry.stats.misses.saturating_add(delta.misses);
            Ok(entry.stats)
        })
    }
}

impl state::Guest for Component {
    fn load(entries: Vec<Entry>) -> Result<(), String> {
        // An operator sees a wrong setting here, before the component serves anything.
        least_cores()?;
        Self::apply(entries.into_iter().map(state::Change::Put).collect())
    }

    fn apply(changes: Vec<state::Change>) -> Result<(), String> {
        // Publish all, then commit all. What was published before a refusal, the host forgets.
        for change in &changes {
            match change {
                state::Change::Put(entry) => show(entry.node.node_id, Some(&entry.node.capacity))?,
                state::Change::Remove(node_id) => show(*node_id, None)?,
            }
        }
        ENTRIES.with_borrow_mut(|entries| {
            for change in changes {
                match change {
                    state::Change::Put(entry) => entries.insert(entry.node.node_id, entry),
                    state::Change::Remove(node_id) => entries.remove(&node_id),
                };
            }
        });
        Ok(())
    }
}

impl placement::Guest for Component {
    fn assess(peer: placement::Peer) -> Option<placement::Candidate> {
        let value = |key: &str| Some(&peer.labels.iter().find(|label| label.key == key)?.value);
        if value("edge_cache")? != "true" {
            return None;
        }
        // Labels come from other nodes, and may hold anything.
        let Some(cores) = value("edge_cache_cpu").and_then(|text| text.parse::<u32>().ok()) else {
            let line = format!("node {} is not eligible: it names no cores", peer.node_id);
            logging::log(logging::Level::Warn, "placement", &line);
            return None;
        };
        Some(placement::Candidate { weight: cores.clamp(1, 65_535), geo: None })
    }
}

/// The complete labels of a node; none of them where it is no edge cache.
fn show(node_id: NodeId, capacity: Option<&NodeCapacity>) -> Result<(), String> {
    let label = |key: &str, value: String| Label { key: key.to_string(), value };
    let mut labels = Vec::new();
    if let Some(capacity) = capacity {
        labels.push(label("edge_cache", "true".to_string()));
        labels.push(label("edge_cache_cpu", capacity.cpu_cores.to_string()));
        labels.push(label("edge_cache_ram_mib", capacity.ram_mib.to_string()));
        labels.push(label("edge_cache_disk_mib", capacity.disk_mib.to_string()));
        labels.extend(capacity.geo.iter().map(|geo| label("edge_cache_geo", geo.clone())));
    }
    gossip_labels::publish(node_id, &labels).map_err(|error| format!("{error:?}"))
}

/// The setting `least_cores`: a node with fewer is refused. At least 1, and 1 where it is not given.
fn least_cores() -> Result<u32, String> {
    match store::get("least_cores").map_err(|error| format!("{error:?}"))? {
        None => Ok(1),
        Some(text) => match text.parse() {
            Ok(least) if least > 0 => Ok(least),
            _ => Err(format!("least_cores must be a number from 1 on, not {text:?}")),
        },
    }
}
