//! State that the handles, the threads and the tasks of one registry share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::advertiser::Advertiser;
use crate::gate::Gate;
use crate::metrics::RegistryMetrics;
use crate::view::{View, ViewCell};
use edge_cache_core::NodeId;
use edge_cache_core::cache_address::CacheAddresses;
use edge_cache_core::decision::Decision;
use edge_cache_sandbox::{InstanceConfig, PluginCell};

/// The shared state of one registry. Only the writer stores a view or a plugin.
#[derive(Debug)]
pub(crate) struct RegistryState {
    pub(crate) view: Arc<ViewCell>,
    pub(crate) plugin: PluginCell,
    /// The configuration of instances. Its label grants are those of the first plugin.
    pub(crate) config: InstanceConfig,
    pub(crate) advertiser: Arc<dyn Advertiser>,
    /// The way of the plugin's labels to the advertiser.
    pub(crate) gate: Gate,
    pub(crate) metrics: Arc<RegistryMetrics>,
    /// The policies of plugins that have loaded here before, the last one at the end.
    pub(crate) loaded: Mutex<Vec<String>>,
    /// Set once the decisions of the first exchange with the cluster are merged.
    pub(crate) has_joined: AtomicBool,
    /// Set if a decision that enables a node is not remembered because there are too many.
    pub(crate) lacks_room: AtomicBool,
    /// The addresses of the caches of live nodes. Only placement stores into it.
    pub(crate) addresses: ArcSwap<CacheAddresses>,
    /// Notified after each commit that changed effective decisions.
    pub(crate) decisions_changed: Notify,
    /// Notified after each swap.
    pub(crate) plugin_changed: Notify,
}

impl RegistryState {
    /// Returns the own node, if the registry has one.
    pub(crate) fn node_id(&self) -> Option<NodeId> {
        self.advertiser.node_id()
    }

    /// Tells whether the first exchange with the cluster is over, and its decisions are merged.
    pub(crate) fn has_joined(&self) -> bool {
        // Decisions that come later change nothing about it.
        self.has_joined.load(Ordering::Relaxed)
            || self.advertiser.has_joined() && {
                self.has_joined.store(true, Ordering::Relaxed);
                true
            }
    }

    /// Tells whether this agent may decide: it knows what stands, or has waited for that.
    pub(crate) fn may_decide(&self) -> bool {
        self.has_joined() || self.advertiser.has_waited()
    }

    /// Notes that a decision is not remembered because there are too many.
    pub(crate) fn forgot(&self, decision: &Decision) {
        self.metrics.decisions_forgotten.inc();
        self.lacks_room
            .fetch_or(decision.enables(), Ordering::SeqCst);
    }

    /// Stores a copy of the view with a changed status.
    pub(crate) fn update_view(&self, change: impl FnOnce(&mut View)) {
        let mut view = View::clone(&self.view.load());
        change(&mut view);
        self.view.store(Arc::new(view));
    }
}
