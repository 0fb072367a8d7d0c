//! The reference registry with one semantic broken.
//!
//! The setting `mutation` says which; without it the guest is the reference. Each mutation is a slip that a
//! real author could make, and nothing else is wrong.
//!
//! - `mutation`: which semantic is broken
//! - `convert`: between the types of `wit/` and the registry's
//! - here: where it is broken

mod convert;
mod mutation;

use std::cell::{Cell, RefCell};

use edge_cache_plugin::{
    Change, EdgeCacheError, EdgeCacheStats, Entry, Label, LabelError, NodeCapacity, NodeId,
    PublishLabels, Registry, Settings, Timestamp,
};

use bindings::exports::zlayer::edge_cache::{placement, registry, state};
use bindings::wasi::clocks::wall_clock;
use bindings::zlayer::edge_cache::{gossip_labels, types};
use mutation::is;

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

    export!(Mutant with_types_in self);

    use super::Mutant;
}

/// Largest entry that the mutation `small` accepts.
const FEW: usize = 1_000;
/// The time of the mutation `own-clock`: the beginning of 2026.
const OWN_CLOCK_SECONDS: u64 = 1_767_225_600;

thread_local! {
    static REGISTRY: RefCell<Registry> = const { RefCell::new(Registry::new()) };
    static JUDGED: Cell<u32> = const { Cell::new(0) };
}

struct Mutant;

impl registry::Guest for Mutant {
    fn enable(
        node_id: NodeId,
        capacity: types::NodeCapacity,
    ) -> Result<types::EdgeCacheNode, types::EdgeCacheError> {
        let clock = wall_clock::now();
        let mut now = Timestamp::cut(clock.seconds, clock.nanoseconds);
        if is("own-clock") {
            now = Timestamp::cut(OWN_CLOCK_SECONDS, 0);
        }
        let mut capacity = convert::capacity(capacity);
        if is("takes-nothing") && capacity.check().is_err() {
            capacity.disk_mib = 1;
        }
        let node = REGISTRY.with_borrow_mut(|registry| enable(registry, node_id, capacity, now));
        let mut node = node.map(convert::wit_node).map_err(convert::wit_error)?;
        if is("exact-time") {
            node.enabled_at.nanoseconds = clock.nanoseconds;
        }
        Ok(node)
    }

    fn disable(node_id: NodeId) -> Result<(), types::EdgeCacheError> {
        let answer = REGISTRY.with_borrow_mut(|registry| {
            if is("labels-stay") {
                registry.disable(node_id, &mut Silence)
            } else {
                registry.disable(node_id, &mut Gossip)
            }
        });
        match answer {
            Err(EdgeCacheError::NodeNotFound(_)) if is("disables-unknown") => Ok(()),
            Err(EdgeCacheError::NodeNotFound(id)) if is("wrong-id") => {
                Err(types::EdgeCacheError::NodeNotFound(id.wrapping_add(1)))
            }
            answer => answer.map_err(convert::wit_error),
        }
    }

    fn is_enabled(node_id: NodeId) -> bool {
        REGISTRY.with_borrow(|registry| registry.is_enabled(node_id))
    }

    fn list_eligible() -> Vec<types::EdgeCacheNode> {
        let mut list: Vec<_> = REGISTRY.with_borrow(|registry| {
            let nodes = registry.list_eligible().cloned();
            nodes.map(convert::wit_node).collect()
        });
        if is("unsorted") {
            list.reverse();
        }
        list
    }

    fn stats(node_id: NodeId) -> types::EdgeCacheStats {
        convert::wit_stats(REGISTRY.with_borrow(|registry| registry.stats(node_id)))
    }

    fn add_stats(
        node_id: NodeId,
        delta: types::EdgeCacheStats,
    ) -> Result<types::EdgeCacheStats, types::EdgeCacheError> {
        let delta = convert::stats(delta);
        let answer = REGISTRY.with_borrow_mut(|registry| {
            let before = registry.stats(node_id);
            let totals = registry.add_stats(node_id, delta)?;
            if !is("wraps") {
                return Ok(totals);
            }
            let wrapped = EdgeCacheStats {
                hits: before.hits.wrapping_add(delta.hits),
                misses: before.misses.wrapping_add(delta.misses),
            };
            set_stats(
                registry,
                |id, stats| if id == node_id { wrapped } else { stats },
            );
            Ok(wrapped)
        });
        match answer {
            Err(EdgeCacheError::NodeNotFound(_)) if is("counts-unknown") => {
                Ok(convert::wit_stats(delta))
            }
            answer => answer.map(convert::wit_stats).map_err(convert::wit_error),
        }
    }
}

impl state::Guest for Mutant {
    fn load(entries: Vec<types::Entry>) -> Result<(), String> {
        mutation::check()?;
        let entries: Result<Vec<Entry>, String> = entries.into_iter().map(convert::entry).collect();
        REGISTRY.with_borrow_mut(|registry| load(registry, entries?))
    }

    fn apply(changes: Vec<state::Change>) -> Result<(), String> {
        let changes: Result<Vec<Change>, String> =
            changes.into_iter().map(convert::change).collect();
        let mut changes = changes?;
        if is("apply-ignores-removes") {
            changes.retain(|change| matches!(change, Change::Put(_)));
        }
        REGISTRY.with_borrow_mut(|registry| {
            if !is("apply-half") {
                return apply(registry, changes);
            }
            changes
                .into_iter()
                .try_for_each(|change| apply(registry, vec![change]))
        })
    }
}

impl placement::Guest for Mutant {
    fn assess(peer: placement::Peer) -> Option<placement::Candidate> {
        let labels: Vec<Label> = peer.labels.into_iter().map(convert::label).collect();
        let judged = edge_cache_plugin::assess(&labels, Settings::default());
        if judged.is_err() && is("traps-on-strange") {
            std::process::abort();
        }
        let mut candidate = convert::wit_candidate(judged.ok()??);
        if is("unbounded-weight") {
            let cores = labels.iter().find(|label| label.key == "edge_cache_cpu");
            candidate.weight = cores
                .and_then(|label| label.value.parse().ok())
                .unwrap_or(1);
        }
        if is("impure") {
            JUDGED.set(JUDGED.get() % 10 + 1);
            candidate.weight = JUDGED.get();
        }
        if is("looks-at-state")
            && REGISTRY.with_borrow(|registry| registry.is_enabled(peer.node_id))
        {
            candidate.weight = 1;
        }
        Some(candidate)
    }
}

fn enable(
    registry: &mut Registry,
    node_id: NodeId,
    capacity: NodeCapacity,
    now: Timestamp,
) -> Result<edge_cache_plugin::EdgeCacheNode, EdgeCacheError> {
    let before = registry.stats(node_id);
    if is("publishes-in-vain") && capacity.check().is_err() {
        let labels = edge_cache_plugin::capacity_labels(&capacity);
        Gossip.publish(node_id, &labels)?;
    }
    if is("commits-first") {
        registry.enable(node_id, capacity.clone(), now, &mut Silence)?;
    }
    let node = registry.enable(node_id, capacity, now, &mut Gossip)?;
    if is("counters-survive") {
        registry.add_stats(node_id, before)?;
    }
    if is("labels-elsewhere") {
        let labels = edge_cache_plugin::capacity_labels(&node.capacity);
        Gossip.publish(0, &labels)?;
    }
    if is("touches-others") {
        let zero = EdgeCacheStats::default();
        set_stats(
            registry,
            |id, stats| if id == node_id { stats } else { zero },
        );
    }
    Ok(node)
}

fn load(registry: &mut Registry, mut entries: Vec<Entry>) -> Result<(), String> {
    if is("small") && entries.len() > FEW {
        return Err(format!("it takes {FEW} entries"));
    }
    for entry in &mut entries {
        if is("load-restamps") {
            let clock = wall_clock::now();
            entry.node.enabled_at = Timestamp::cut(clock.seconds, clock.nanoseconds);
        }
        if is("load-forgets-counters") {
            entry.stats = EdgeCacheStats::default();
        }
    }
    if is("load-replaces") {
        let known: Vec<_> = registry.list_eligible().map(|node| node.node_id).collect();
        apply(registry, known.into_iter().map(Change::Remove).collect())?;
    }
    if is("load-half") {
        return entries
            .into_iter()
            .try_for_each(|entry| apply(registry, vec![Change::Put(entry)]));
    }
    let answer = if is("load-publishes-nothing") {
        registry.load(entries, &mut Silence)
    } else {
        registry.load(entries, &mut Gossip)
    };
    answer.map_err(|refusal| refusal.to_string())
}

fn apply(registry: &mut Registry, changes: Vec<Change>) -> Result<(), String> {
    let answer = registry.apply(changes, &mut Gossip);
    answer.map_err(|refusal| refusal.to_string())
}

/// Gives every entry other counters, and publishes nothing.
fn set_stats(registry: &mut Registry, new: impl Fn(NodeId, EdgeCacheStats) -> EdgeCacheStats) {
    let entries: Vec<Entry> = registry
        .list_eligible()
        .map(|node| Entry {
            node: node.clone(),
            stats: new(node.node_id, registry.stats(node.node_id)),
        })
        .collect();
    // It took them all before.
    let _ = registry.load(entries, &mut Silence);
}

/// Publishes through the host.
struct Gossip;

impl PublishLabels for Gossip {
    fn publish(&mut self, node: NodeId, labels: &[Label]) -> Result<(), LabelError> {
        let labels: Vec<_> = labels.iter().map(convert::wit_label).collect();
        gossip_labels::publish(node, &labels).map_err(convert::label_error)
    }
}

/// Publishes nothing, and says that all is well.
struct Silence;

impl PublishLabels for Silence {
    fn publish(&mut self, _: NodeId, _: &[Label]) -> Result<(), LabelError> {
        Ok(())
    }
}
