//! One running component.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::Store;
use wasmtime::component::{HasData, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_config::WasiConfigVariables;

use super::bindings::{EdgeCachePlugin, logging};
use super::convert;
use super::engine::ticks;
use super::failure::{CallLimits, Failure, INSTANTIATION};
use super::gossip_labels::{LabelPolicy, LabelStage, PublishedLabels};
use super::limiter::Limiter;
use super::log::{GuestLog, LogLevel};
use super::metrics::CallMetrics;
use super::plugin::Plugin;
use super::wasi::{self, WallClock};
use edge_cache_core::EdgeCacheError;
use edge_cache_core::labels::Labels;
use edge_cache_core::{Change, EdgeCacheNode, EdgeCacheStats, Entry, NodeCapacity, NodeId};
use edge_cache_routing::Candidate;

/// What surrounds an instance.
#[derive(Debug, Clone)]
pub struct InstanceConfig {
    /// Who may publish what.
    pub policy: LabelPolicy,
    /// Where its log goes.
    pub log: Arc<GuestLog>,
    /// What it takes for the wall clock.
    pub clock: WallClock,
}

/// The answer of a call that may publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called<T> {
    /// What the component answered.
    pub value: T,
    /// What it published on the way.
    pub labels: PublishedLabels,
}

/// One running component. After a call answers a [`Failure`], it must be dropped: wasmtime refuses most
/// later calls by itself, but not all.
pub struct Instance {
    store: Store<HostState>,
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

/// What the host keeps in the store of an instance.
pub(super) struct HostState {
    pub(super) table: ResourceTable,
    pub(super) settings: WasiConfigVariables,
    pub(super) labels: LabelStage,
    pub(super) log: Arc<GuestLog>,
    wasi: WasiCtx,
    limiter: Limiter,
}

/// How much a call may cost: in proportion to one entry, or to the registry.
#[derive(Clone, Copy)]
enum Weight {
    Entry,
    Registry,
}

impl Instance {
    /// Instantiates a component. It holds nothing yet: [`Instance::load`] comes first.
    pub fn start(plugin: &Plugin, config: InstanceConfig) -> Result<Self, Failure> {
        Self::start_counted(plugin, config, CallMetrics::default())
    }

    /// Like [`start`](Self::start), and counts its calls in these metrics.
    pub fn start_counted(
        plugin: &Plugin,
        config: InstanceConfig,
        calls: CallMetrics,
    ) -> Result<Self, Failure> {
        let limits = &plugin.config().limits;
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        let state = HostState {
            table,
            settings: plugin
                .config()
                .settings
                .iter()
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            labels: LabelStage::new(config.policy, limits, config.log.clone()),
            wasi: wasi::context(&config.log, config.clock, limits.random_bytes),
            log: config.log,
            limiter: Limiter::new(limits),
        };
        let mut store = Store::new(plugin.engine(), state);
        // The memory that a component begins with counts too, so the limiter comes first.
        store.limiter(|state| &mut state.limiter);
        store.set_max_component_handles(limits.handles);
        let call = call_limits(plugin, INSTANTIATION, Weight::Registry);
        arm(&mut store, &call, limits.epoch_tick);
        let begun = Instant::now();
        let exports = plugin.pre().instantiate(&mut store);
        calls.called(INSTANTIATION, begun.elapsed());
        let exports =
            exports.map_err(|error| call.explain(&error, store.data().limiter.refused()))?;
        Ok(Self {
            store,
            exports,
            plugin: plugin.clone(),
            calls,
        })
    }

    /// `state.load`. A refusal is a [`Failure::Refused`], after which nothing has changed and the instance
    /// may be used on.
    pub fn load(&mut self, entries: &[Entry]) -> Result<PublishedLabels, Failure> {
        let entries: Vec<_> = entries.iter().map(convert::wit_entry).collect();
        let called = self.publishing("load", Weight::Registry, |exports, store| {
            exports.zlayer_edge_cache_state().call_load(store, &entries)
        })?;
        accepted(called)
    }

    /// `state.apply`. A refusal is a [`Failure::Refused`], after which nothing has changed and the instance
    /// may be used on.
    pub fn apply(&mut self, changes: &[Change]) -> Result<PublishedLabels, Failure> {
        let changes: Vec<_> = changes.iter().map(convert::wit_change).collect();
        let called = self.publishing("apply", Weight::Registry, |exports, store| {
            exports
                .zlayer_edge_cache_state()
                .call_apply(store, &changes)
        })?;
        accepted(called)
    }

    /// `registry.enable`.
    pub fn enable(
        &mut self,
        node_id: NodeId,
        capacity: &NodeCapacity,
    ) -> Result<Result<Called<EdgeCacheNode>, EdgeCacheError>, Failure> {
        let capacity = convert::wit_capacity(capacity);
        let called = self.publishing("enable", Weight::Entry, |exports, store| {
            exports
                .zlayer_edge_cache_registry()
                .call_enable(store, node_id, &capacity)
        })?;
        let node = match called.value {
            Ok(node) => convert::node(node).map_err(contract("enable"))?,
            Err(error) => return Ok(Err(convert::error(error))),
        };
        if node.node_id != node_id {
            return Err(contract("enable")(format!(
                "asked to enable node {node_id}, it answered node {}",
                node.node_id
            )));
        }
        Ok(Ok(Called {
            value: node,
            labels: called.labels,
        }))
    }

    /// `registry.disable`.
    pub fn disable(
        &mut self,
        node_id: NodeId,
    ) -> Result<Result<Called<()>, EdgeCacheError>, Failure> {
        let called = self.publishing("disable", Weight::Entry, |exports, store| {
            exports
                .zlayer_edge_cache_registry()
                .call_disable(store, node_id)
        })?;
        Ok(match called.value {
            Ok(()) => Ok(Called {
                value: (),
                labels: called.labels,
            }),
            Err(error) => Err(convert::error(error)),
        })
    }

    /// `registry.add-stats`.
    pub fn add_stats(
        &mut self,
        node_id: NodeId,
        delta: EdgeCacheStats,
    ) -> Result<Result<EdgeCacheStats, EdgeCacheError>, Failure> {
        let delta = convert::wit_stats(delta);
        self.call("add-stats", Weight::Entry, |exports, store| {
            exports
                .zlayer_edge_cache_registry()
                .call_add_stats(store, node_id, delta)
        })
        .map(|answer| answer.map(convert::stats).map_err(convert::error))
    }

    /// `registry.is-enabled`.
    pub fn is_enabled(&mut self, node_id: NodeId) -> Result<bool, Failure> {
        self.call("is-enabled", Weight::Entry, |exports, store| {
            exports
                .zlayer_edge_cache_registry()
                .call_is_enabled(store, node_id)
        })
    }

    /// `registry.list-eligible`.
    pub fn list_eligible(&mut self) -> Result<Vec<EdgeCacheNode>, Failure> {
        let list = self.call("list-eligible", Weight::Registry, |exports, store| {
            exports
                .zlayer_edge_cache_registry()
                .call_list_eligible(store)
        })?;
        convert::nodes(list).map_err(contract("list-eligible"))
    }

    /// `registry.stats`.
    pub fn stats(&mut self, node_id: NodeId) -> Result<EdgeCacheStats, Failure> {
        self.call("stats", Weight::Entry, |exports, store| {
            exports
                .zlayer_edge_cache_registry()
                .call_stats(store, node_id)
        })
        .map(convert::stats)
    }

    /// `placement.assess`.
    pub fn assess(
        &mut self,
        node_id: NodeId,
        labels: &Labels,
    ) -> Result<Option<Candidate>, Failure> {
        let peer = convert::wit_peer(node_id, labels);
        let candidate = self.call("assess", Weight::Entry, |exports, store| {
            exports
                .zlayer_edge_cache_placement()
                .call_assess(store, &peer)
        })?;
        candidate
            .map(convert::candidate)
            .transpose()
            .map_err(contract("assess"))
    }

    /// The linear memory in use, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.store.data().limiter.memory_bytes()
    }

    fn publishing<T>(
        &mut self,
        name: &'static str,
        weight: Weight,
        call: impl FnOnce(&EdgeCachePlugin, &mut Store<HostState>) -> wasmtime::Result<T>,
    ) -> Result<Called<T>, Failure> {
        self.store.data_mut().labels.open();
        let result = self.call(name, weight, call);
        let labels = self.store.data_mut().labels.close();
        result.map(|value| Called { value, labels })
    }

    fn call<T>(
        &mut self,
        name: &'static str,
        weight: Weight,
        call: impl FnOnce(&EdgeCachePlugin, &mut Store<HostState>) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        let limits = call_limits(&self.plugin, name, weight);
        arm(
            &mut self.store,
            &limits,
            self.plugin.config().limits.epoch_tick,
        );
        let begun = Instant::now();
        let called = call(&self.exports, &mut self.store);
        self.calls.called(name, begun.elapsed());
        called.map_err(|error| limits.explain(&error, self.store.data().limiter.refused()))
    }
}

/// Sets the deadline, which runs from the call on, and the data limit, which holds for each transfer.
fn arm(store: &mut Store<HostState>, limits: &CallLimits, tick: Duration) {
    store.set_epoch_deadline(ticks(limits.deadline, tick));
    store.set_hostcall_fuel(limits.data_bytes);
    store.data_mut().limiter.forget_refusals();
}

fn call_limits(plugin: &Plugin, call: &'static str, weight: Weight) -> CallLimits {
    let limits = &plugin.config().limits;
    let (deadline, deadline_setting, data_bytes, data_setting) = match weight {
        Weight::Entry => (
            limits.call_deadline,
            "call_deadline",
            limits.call_data_bytes,
            "call_data_bytes",
        ),
        Weight::Registry => (
            limits.load_deadline,
            "load_deadline",
            limits.list_data_bytes,
            "list_data_bytes",
        ),
    };
    CallLimits {
        call,
        deadline,
        deadline_setting,
        data_bytes,
        data_setting,
        stack_bytes: limits.stack_bytes,
        handles: limits.handles,
        objects: limits.objects,
        random_bytes: limits.random_bytes,
    }
}

fn accepted(called: Called<Result<(), String>>) -> Result<PublishedLabels, Failure> {
    called
        .value
        .map(|()| called.labels)
        .map_err(|reason| Failure::Refused(convert::clean(&reason)))
}

fn contract(call: &'static str) -> impl Fn(String) -> Failure {
    move |reason| Failure::Contract { call, reason }
}

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

pub(super) struct HasLog;

impl HasData for HasLog {
    type Data<'a> = &'a Arc<GuestLog>;
}

impl logging::Host for &Arc<GuestLog> {
    fn log(&mut self, level: logging::Level, context: String, message: String) {
        let level = match level {
            logging::Level::Trace => LogLevel::Trace,
            logging::Level::Debug => LogLevel::Debug,
            logging::Level::Info => LogLevel::Info,
            logging::Level::Warn => LogLevel::Warn,
            logging::Level::Error => LogLevel::Error,
            logging::Level::Critical => LogLevel::Critical,
        };
        self.write(level, &context, &message);
    }
}
