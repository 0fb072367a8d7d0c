//! A registry that misbehaves on demand.
//!
//! The setting `behaviour` holds `WHAT@EXPORT`, or several of them with commas between. In that export, and
//! only in a call that has to do with node 666 (the setting `trigger` names another), the guest does what is
//! asked; otherwise it is a right registry. So a test sees what comes of a misdeed, and that nothing else
//! does.
//!
//! - `behaviour`: which misdeed is due in a call
//! - `deeds`: what is done before an answer: hang, trap, eat memory, call the host
//! - `labels`: what is published that may not be
//! - `wasi`: what of WASI is tried
//! - `lies`: what is made of a right answer
//! - `honest`: the right registry
//!
//! A deed that learns something of the host says so: in the log, and as the error of a change.

mod behaviour;
mod deeds;
mod honest;
mod labels;
mod lies;
mod wasi;

use behaviour::{due, trigger};
use bindings::exports::zlayer::edge_cache::{placement, registry, state};
use bindings::zlayer::edge_cache::types::{
    EdgeCacheError, EdgeCacheNode, EdgeCacheStats, Entry, NodeCapacity, NodeId,
};

mod bindings {
    #![allow(
        unsafe_code,
        reason = "wit-bindgen's code talks to the host through raw memory"
    )]

    wit_bindgen::generate!({
        path: ["../../../wit", "wit"],
        world: "test:hostile/hostile",
        generate_all,
    });

    export!(Hostile with_types_in self);

    use super::Hostile;
}

struct Hostile;

impl registry::Guest for Hostile {
    fn enable(node_id: NodeId, capacity: NodeCapacity) -> Result<EdgeCacheNode, EdgeCacheError> {
        let deed = due("enable", node_id == trigger());
        deeds::commit(deed).map_err(EdgeCacheError::Gossip)?;
        lies::enabled(deed, honest::enable(node_id, capacity)?)
    }

    fn disable(node_id: NodeId) -> Result<(), EdgeCacheError> {
        let deed = due("disable", node_id == trigger());
        deeds::commit(deed).map_err(EdgeCacheError::Gossip)?;
        lies::disabled(deed, honest::disable(node_id))
    }

    fn is_enabled(node_id: NodeId) -> bool {
        let _ = deeds::commit(due("is-enabled", node_id == trigger()));
        honest::is_enabled(node_id)
    }

    fn list_eligible() -> Vec<EdgeCacheNode> {
        let deed = due("list-eligible", honest::is_enabled(trigger()));
        let _ = deeds::commit(deed);
        lies::listed(deed, honest::list())
    }

    fn stats(node_id: NodeId) -> EdgeCacheStats {
        let _ = deeds::commit(due("stats", node_id == trigger()));
        honest::stats(node_id)
    }

    fn add_stats(node_id: NodeId, delta: EdgeCacheStats) -> Result<EdgeCacheStats, EdgeCacheError> {
        let deed = due("add-stats", node_id == trigger());
        deeds::commit(deed).map_err(EdgeCacheError::Gossip)?;
        lies::counted(deed, honest::add_stats(node_id, delta))
    }
}

impl state::Guest for Hostile {
    fn load(entries: Vec<Entry>) -> Result<(), String> {
        let named = entries.iter().any(|entry| entry.node.node_id == trigger());
        let deed = due("load", named);
        deeds::commit(deed)?;
        lies::accepted(deed, honest::load(entries))
    }

    fn apply(changes: Vec<state::Change>) -> Result<(), String> {
        let named = changes.iter().any(|change| match change {
            state::Change::Put(entry) => entry.node.node_id == trigger(),
            state::Change::Remove(node_id) => *node_id == trigger(),
        });
        let deed = due("apply", named);
        deeds::commit(deed)?;
        lies::accepted(deed, honest::apply(changes))
    }
}

impl placement::Guest for Hostile {
    fn assess(peer: placement::Peer) -> Option<placement::Candidate> {
        let named = peer.node_id == trigger();
        let racked = named && peer.labels.iter().any(|label| label.key == "rack");
        let deed = match due("assess-rack", racked) {
            "" => due("assess", named),
            deed => deed,
        };
        let _ = deeds::commit(deed);
        lies::judged(deed, honest::assess(&peer))
    }
}
