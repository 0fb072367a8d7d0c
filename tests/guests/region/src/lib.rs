//! A registry of allowed regions.
//!
//! Whoever writes a registry has the WIT package and nothing else; so does this one, which knows no other
//! crate of ours. Its policy is its own: only nodes whose geo lies in one of the regions of the setting
//! `regions` (for instance `eu-central,eu-west`) are taken, and traffic follows their memory.
//!
//! - `policy`: the setting, and what follows from it
//! - `registry`: the entries
//! - here: the exports

mod policy;
mod registry;

use bindings::exports::zlayer::edge_cache::{placement, registry as exported, state};
use bindings::zlayer::edge_cache::types::{
    EdgeCacheError, EdgeCacheNode, EdgeCacheStats, Entry, NodeCapacity, NodeId,
};

mod bindings {
    #![allow(
        unsafe_code,
        reason = "wit-bindgen's code talks to the host through raw memory"
    )]

    wit_bindgen::generate!({
        path: "../../../wit",
        world: "edge-cache-plugin",
        generate_all,
    });

    export!(Region with_types_in self);

    use super::Region;
}

struct Region;

impl exported::Guest for Region {
    fn enable(node_id: NodeId, capacity: NodeCapacity) -> Result<EdgeCacheNode, EdgeCacheError> {
        registry::enable(node_id, capacity)
    }

    fn disable(node_id: NodeId) -> Result<(), EdgeCacheError> {
        registry::disable(node_id)
    }

    fn is_enabled(node_id: NodeId) -> bool {
        registry::find(node_id).is_some()
    }

    fn list_eligible() -> Vec<EdgeCacheNode> {
        registry::list()
    }

    fn stats(node_id: NodeId) -> EdgeCacheStats {
        registry::find(node_id).map_or(registry::ZERO, |entry| entry.stats)
    }

    fn add_stats(node_id: NodeId, delta: EdgeCacheStats) -> Result<EdgeCacheStats, EdgeCacheError> {
        registry::add_stats(node_id, delta)
    }
}

impl state::Guest for Region {
    fn load(entries: Vec<Entry>) -> Result<(), String> {
        policy::regions()?;
        registry::apply(entries.into_iter().map(state::Change::Put).collect())
    }

    fn apply(changes: Vec<state::Change>) -> Result<(), String> {
        registry::apply(changes)
    }
}

impl placement::Guest for Region {
    fn assess(peer: placement::Peer) -> Option<placement::Candidate> {
        policy::assess(&peer.labels)
    }
}
