//! A running instance of a plugin.

use std::fmt;
use std::time::Instant;

use edge_cache_core::labels::Labels;
use edge_cache_core::{
    Change, EdgeCacheError, EdgeCacheNode, EdgeCacheStats, Entry, Limits, NodeCapacity, NodeId,
};
use edge_cache_routing::Candidate;
use wasmtime::Store;

use crate::bindings::EdgeCachePlugin;
use crate::config::InstanceConfig;
use crate::convert;
use crate::engine::ticks;
use crate::failure::{Failure, INSTANTIATION, Scope, explain};
use crate::gossip_labels::{LabelStage, PublishedLabels};
use crate::limits::InstanceLimits;
use crate::metrics::CallMetrics;
use crate::plugin::Plugin;
use crate::plugin_ctx::PluginCtx;

/// A running instance of a plugin, for use by one thread. Calls are synchronous.
///
/// After a [`Failure`] other than [`Failure::Refused`], the instance must be dropped: wasmtime refuses most
/// later calls, but not all of them.
pub struct Instance {
    store: Store<PluginCtx>,
    exports: EdgeCachePlugin,
    plugin: Plugin,
    calls: CallMetrics,
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("plugin", &self.plugin)
            .finish_non_exhaustive()
    }
}

/// A call returns a [`Failure`] if the call itself failed. The errors within are answers of the plugin.
#[allow(clippy::missing_errors_doc, reason = "stated once for all calls")]
impl Instance {
    /// Instantiates a plugin. The instance is empty, and [`Instance::load`] must be the first call.
    ///
    /// # Errors
    ///
    /// Any [`Failure`] but [`Failure::Refused`].
    pub fn start(plugin: &Plugin, config: InstanceConfig) -> Result<Self, Failure> {
        Self::start_counted(plugin, config, CallMetrics::default())
    }

    /// Instantiates a plugin whose calls are counted in `calls`.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_counted(
        plugin: &Plugin,
        config: InstanceConfig,
        calls: CallMetrics,
    ) -> Result<Self, Failure> {
        let limits = &plugin.config().limits;
        let data = PluginCtx::new(plugin.config(), config);
        let mut store = Store::new(&plugin.inner.engine, data);
        InstanceLimits::apply(&mut store);
        let scope = Scope::Registry;
        arm(&mut store, scope, limits);
        let begun = Instant::now();
        let exports = plugin.inner.pre.instantiate(&mut store);
        calls.called(INSTANTIATION, begun.elapsed());
        let exports =
            exports.map_err(|error| explain(INSTANTIATION, scope, limits, &error, store.data()))?;
        Ok(Self {
            store,
            exports,
            plugin: plugin.clone(),
            calls,
        })
    }

    /// Calls `state.load`.
    ///
    /// # Errors
    ///
    /// After [`Failure::Refused`] the state is unchanged, and the instance may be used further.
    pub fn load(&mut self, entries: &[Entry]) -> Result<PublishedLabels, Failure> {
        let entries: Vec<_> = entries.iter().map(convert::wit_entry).collect();
        let answer = self.publishing("load", Scope::Registry, |exports, store| {
            exports.zlayer_edge_cache_state().call_load(store, &entries)
        })?;
        self.accepted(answer)
    }

    /// Calls `state.apply`.
    ///
    /// # Errors
    ///
    /// After [`Failure::Refused`] the state is unchanged, and the instance may be used further.
    pub fn apply(&mut self, changes: &[Change]) -> Result<PublishedLabels, Failure> {
        let changes: Vec<_> = changes.iter().map(convert::wit_change).collect();
        let answer = self.publishing("apply", Scope::Entry, |exports, store| {
            exports
                .zlayer_edge_cache_state()
                .call_apply(store, &changes)
        })?;
        self.accepted(answer)
    }

    /// Calls `registry.enable`. Returns the node and the published labels.
    pub fn enable(
        &mut self,
        node_id: NodeId,
        capacity: &NodeCapacity,
    ) -> Result<Result<(EdgeCacheNode, PublishedLabels), EdgeCacheError>, Failure> {
        let capacity = capacity.clone().into();
        let answer = self.publishing("enable", Scope::Entry, |exports, store| {
            exports
                .zlayer_edge_cache_registry()
                .call_enable(store, node_id, &capacity)
        })?;
        let (node, labels) = match answer {
            Ok(enabled) => enabled,
            Err(error) => return Ok(Err(convert::error(error))),
        };
        let node = convert::node(node).map_err(|reason| self.contract("enable", reason))?;
        if node.node_id != node_id {
            let answered = node.node_id;
            let reason = format!("asked to enable node {node_id}, it answered node {answered}");
            return Err(self.contract("enable", reason));
        }
        Ok(Ok((node, labels)))
    }

    /// Calls `registry.disable`. Returns the published labels.
    pub fn disable(
        &mut self,
        node_id: NodeId,
    ) -> Result<Result<PublishedLabels, EdgeCacheError>, Failure> {
        let answer = self.publishing("disable", Scope::Entry, |exports, store| {
            exports
                .zlayer_edge_cache_registry()
                .call_disable(store, node_id)
        })?;
        Ok(answer.map(|((), labels)| labels).map_err(convert::error))
    }

    /// Calls `registry.add-stats`.
    pub fn add_stats(
        &mut self,
        node_id: NodeId,
        delta: EdgeCacheStats,
    ) -> Result<Result<EdgeCacheStats, EdgeCacheError>, Failure> {
        self.call("add-stats", Scope::Entry, |exports, store| {
            exports
                .zlayer_edge_cache_registry()
                .call_add_stats(store, node_id, delta.into())
        })
        .map(|answer| answer.map(Into::into).map_err(convert::error))
    }

    /// Calls `registry.is-enabled`.
    pub fn is_enabled(&mut self, node_id: NodeId) -> Result<bool, Failure> {
        self.call("is-enabled", Scope::Entry, |exports, store| {
            exports
                .zlayer_edge_cache_registry()
                .call_is_enabled(store, node_id)
        })
    }

    /// Calls `registry.list-eligible`.
    pub fn list_eligible(&mut self) -> Result<Vec<EdgeCacheNode>, Failure> {
        let list = self.call("list-eligible", Scope::Registry, |exports, store| {
            exports
                .zlayer_edge_cache_registry()
                .call_list_eligible(store)
        })?;
        convert::nodes(list).map_err(|reason| self.contract("list-eligible", reason))
    }

    /// Calls `registry.stats`.
    pub fn stats(&mut self, node_id: NodeId) -> Result<EdgeCacheStats, Failure> {
        self.call("stats", Scope::Entry, |exports, store| {
            exports
                .zlayer_edge_cache_registry()
                .call_stats(store, node_id)
        })
        .map(Into::into)
    }

    /// Calls `placement.assess`.
    pub fn assess(
        &mut self,
        node_id: NodeId,
        labels: &Labels,
    ) -> Result<Option<Candidate>, Failure> {
        let peer = convert::wit_peer(node_id, labels);
        let candidate = self.call("assess", Scope::Entry, |exports, store| {
            exports
                .zlayer_edge_cache_placement()
                .call_assess(store, &peer)
        })?;
        candidate
            .map(convert::candidate)
            .transpose()
            .map_err(|reason| self.contract("assess", reason))
    }

    /// Adds the lines that the plugin logged in its last call to a failure that was found after it.
    #[must_use]
    pub fn with_lines(&self, mut failure: Failure) -> Failure {
        let lines = self.store.data().take_lines();
        failure.lines_mut().extend(lines);
        failure
    }

    fn accepted(
        &self,
        answer: Result<((), PublishedLabels), String>,
    ) -> Result<PublishedLabels, Failure> {
        let refused = |reason: String| self.with_lines(Failure::refused(convert::clean(&reason)));
        answer.map(|((), labels)| labels).map_err(refused)
    }

    fn contract(&self, call: &'static str, reason: String) -> Failure {
        self.with_lines(Failure::contract(call, reason))
    }

    /// Returns the size of the linear memories and of the heap of objects, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.store.data().memory_bytes()
    }

    /// Calls an export that may publish labels.
    fn publishing<T, E>(
        &mut self,
        name: &'static str,
        scope: Scope,
        call: impl FnOnce(&EdgeCachePlugin, &mut Store<PluginCtx>) -> wasmtime::Result<Result<T, E>>,
    ) -> Result<Result<(T, PublishedLabels), E>, Failure> {
        self.call(name, scope, |exports, store| {
            LabelStage::during(store, |store| call(exports, store))
        })
    }

    /// Calls an export under its limits and counts the call.
    fn call<T>(
        &mut self,
        name: &'static str,
        scope: Scope,
        call: impl FnOnce(&EdgeCachePlugin, &mut Store<PluginCtx>) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        let limits = &self.plugin.config().limits;
        arm(&mut self.store, scope, limits);
        let begun = Instant::now();
        let called = call(&self.exports, &mut self.store);
        self.calls.called(name, begun.elapsed());
        called.map_err(|error| explain(name, scope, limits, &error, self.store.data()))
    }
}

/// Sets the deadline, which starts with the call, and the data limit, which applies to each transfer.
fn arm(store: &mut Store<PluginCtx>, scope: Scope, limits: &Limits) {
    let (deadline, _) = scope.deadline(limits);
    store.set_epoch_deadline(ticks(deadline, limits.epoch_tick));
    store.set_hostcall_fuel(scope.data_bytes(limits).0);
    let data = store.data_mut();
    data.limits.refused = None;
    data.log.take_recent();
    data.waits.deadline = Instant::now().checked_add(deadline);
}
