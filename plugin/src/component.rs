//! The component: exports and imports of `wit/`, and in the composable form those of `wit/policy`.
//!
//! The reference's own settings affect only the weights of nodes. With invalid settings, `load` refuses, so that the
//! operator sees the error, and `assess` finds no node eligible. The other calls work, but a host makes none of them
//! after a refused `load`. A policy that its settings keep from judging ends the first `load`.

mod convert;
mod policy;

use std::cell::{OnceCell, RefCell};
use std::fmt::Display;

use crate::complaints::Complaints;
use crate::text::excerpt;
use crate::{
    Change, Entry, Label, LabelError, LabelFault, NodeId, PublishLabels, Refusal, Registry,
    Settings, SettingsError, Timestamp,
};
use bindings::exports::zlayer::edge_cache::{placement, registry, state};
use bindings::wasi::clocks::wall_clock;
use bindings::wasi::config::store;
use bindings::wasi::logging::logging::{Level, log};
use bindings::zlayer::edge_cache::{gossip_labels, types};

mod bindings {
    #![allow(
        unsafe_code,
        reason = "wit-bindgen's code talks to the host through raw memory"
    )]

    #[cfg(not(feature = "composable"))]
    wit_bindgen::generate!({
        path: "wit",
        world: "edge-cache-plugin",
        generate_all,
    });
    #[cfg(feature = "composable")]
    wit_bindgen::generate!({
        path: ["wit", "wit/policy"],
        world: "zlayer:edge-cache-policy/composable-plugin",
        generate_all,
    });

    export!(Component with_types_in self);

    use super::Component;
}

// Calls are never nested, since a component cannot be entered from its own imports. So no two borrows overlap.
thread_local! {
    static REGISTRY: RefCell<Registry> = const { RefCell::new(Registry::new()) };
    static SETTINGS: OnceCell<Result<Settings, SettingsError>> = const { OnceCell::new() };
    static COMPLAINTS: RefCell<Complaints> = const { RefCell::new(Complaints::new()) };
}

struct Component;

impl registry::Guest for Component {
    fn enable(
        node_id: NodeId,
        capacity: types::NodeCapacity,
    ) -> Result<types::EdgeCacheNode, types::EdgeCacheError> {
        let clock = wall_clock::now();
        let now = Timestamp::cut(clock.seconds, clock.nanoseconds);
        let capacity = policy::admit(node_id, capacity)?;
        REGISTRY.with_borrow_mut(|registry| {
            let node = registry.enable(node_id, capacity.into(), now, &mut Gossip)?;
            Ok(node.into())
        })
    }

    fn disable(node_id: NodeId) -> Result<(), types::EdgeCacheError> {
        REGISTRY.with_borrow_mut(|registry| Ok(registry.disable(node_id, &mut Gossip)?))
    }

    fn is_enabled(node_id: NodeId) -> bool {
        REGISTRY.with_borrow(|registry| registry.is_enabled(node_id))
    }

    fn list_eligible() -> Vec<types::EdgeCacheNode> {
        REGISTRY.with_borrow(|registry| registry.list_eligible().cloned().map(Into::into).collect())
    }

    fn stats(node_id: NodeId) -> types::EdgeCacheStats {
        REGISTRY.with_borrow(|registry| registry.stats(node_id).into())
    }

    fn add_stats(
        node_id: NodeId,
        delta: types::EdgeCacheStats,
    ) -> Result<types::EdgeCacheStats, types::EdgeCacheError> {
        REGISTRY.with_borrow_mut(|registry| Ok(registry.add_stats(node_id, delta.into())?.into()))
    }
}

impl state::Guest for Component {
    fn load(entries: Vec<types::Entry>) -> Result<(), String> {
        settings().map_err(text)?;
        policy::probe();
        let entries: Result<_, Refusal> = entries.into_iter().map(Entry::try_from).collect();
        let entries = entries.map_err(text)?;
        REGISTRY.with_borrow_mut(|registry| registry.load(entries, &mut Gossip).map_err(text))
    }

    fn apply(changes: Vec<state::Change>) -> Result<(), String> {
        let changes: Result<_, Refusal> = changes.into_iter().map(Change::try_from).collect();
        let changes = changes.map_err(text)?;
        REGISTRY.with_borrow_mut(|registry| registry.apply(changes, &mut Gossip).map_err(text))
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}

impl placement::Guest for Component {
    fn assess(peer: placement::Peer) -> Option<placement::Candidate> {
        let labels: Vec<Label> = peer.labels.into_iter().map(Into::into).collect();
        let (default, fault) = match crate::assess(&labels, settings().ok()?) {
            Ok(default) => (default, None),
            Err(fault) => (None, Some(fault)),
        };
        let candidate = policy::assess(peer.node_id, labels, default);
        if let (None, Some(fault)) = (&candidate, fault) {
            complain(peer.node_id, fault);
        }
        candidate.map(Into::into)
    }
}

/// Logs why a node is not eligible, once for each node, since its labels are assessed repeatedly.
fn complain(node_id: NodeId, fault: LabelFault) {
    if COMPLAINTS.with_borrow_mut(|complaints| complaints.add(node_id)) {
        let message = format!("node {node_id} is not eligible: {fault}");
        log(Level::Warn, "placement", &message);
    }
}

/// Returns the settings, which are read once, since they never change during the life of an instance.
fn settings() -> Result<Settings, SettingsError> {
    SETTINGS.with(|settings| settings.get_or_init(read_settings).clone())
}

fn read_settings() -> Result<Settings, SettingsError> {
    let settings = match store::get_all() {
        Ok(pairs) => Settings::from_pairs(&pairs),
        Err(store::Error::Upstream(reason) | store::Error::Io(reason)) => {
            Err(SettingsError::Unreadable(excerpt(&reason)))
        }
    };
    if let Err(error) = &settings {
        log(Level::Error, "settings", &error.to_string());
    }
    settings
}

/// Publishes labels through the host.
struct Gossip;

impl PublishLabels for Gossip {
    fn publish(&mut self, node: NodeId, labels: &[Label]) -> Result<(), LabelError> {
        let labels: Vec<_> = labels.iter().cloned().map(Into::into).collect();
        gossip_labels::publish(node, &labels).map_err(Into::into)
    }
}
