//! The host's data of an instance, as a part of the data of its store.

use std::fmt;
use std::sync::Arc;

use edge_cache_core::LogLevel;
use wasmtime::Store;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_config::WasiConfigVariables;

use crate::config::{InstanceConfig, PluginConfig};
use crate::gossip_labels::LabelStage;
use crate::limits::InstanceLimits;
use crate::log::InstanceLog;
use crate::wasi::{self, LogStream, Waits, WaitsView};

/// Data of one instance: one field for each import, and the limits.
///
/// A store with it and nothing else is that of an [`Instance`](crate::Instance).
pub struct PluginCtx {
    pub(crate) settings: WasiConfigVariables,
    pub(crate) labels: LabelStage,
    pub(crate) log: Arc<InstanceLog>,
    pub(crate) limits: InstanceLimits,
    pub(crate) waits: Waits,
    output: [LogStream; 2],
    table: ResourceTable,
    wasi: WasiCtx,
}

/// The data of a store that has a [`PluginCtx`].
pub trait PluginView: 'static {
    /// Returns the data of the store's instance.
    fn plugin(&mut self) -> &mut PluginCtx;
}

impl PluginCtx {
    /// Returns the data of a new instance, whose WASI has no files, network, environment or arguments.
    #[must_use]
    pub fn new(plugin: &PluginConfig, config: InstanceConfig) -> Self {
        let limits = &plugin.limits;
        let log = Arc::new(InstanceLog::new(config.log));
        let stdout = LogStream::new(&log, LogLevel::Info, "stdout");
        let stderr = LogStream::new(&log, LogLevel::Warn, "stderr");
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        let settings = plugin.settings.iter();
        Self {
            settings: settings
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            labels: LabelStage::new(config.policy, limits),
            limits: InstanceLimits::new(limits),
            wasi: wasi::context([&stdout, &stderr], config.clock, limits.random_bytes),
            output: [stdout, stderr],
            log,
            waits: Waits::default(),
            table,
        }
    }

    /// Returns the size of the linear memories and of the heap of objects, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.limits.memory_bytes()
    }

    /// Returns the last lines that the plugin logged since they were taken last, with those that it did not end.
    pub fn take_lines(&self) -> Vec<String> {
        self.output.iter().for_each(LogStream::end_line);
        self.log.take_recent()
    }

    pub(crate) fn waits(&mut self) -> WaitsView<'_> {
        WaitsView {
            waits: &mut self.waits,
            table: &mut self.table,
        }
    }
}

impl PluginView for PluginCtx {
    fn plugin(&mut self) -> &mut Self {
        self
    }
}

impl WasiView for PluginCtx {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl fmt::Debug for PluginCtx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginCtx")
            .field("labels", &self.labels)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl InstanceLimits {
    /// Applies the limits of a store's instance to the store: `memory_bytes`, `table_elements`, `objects`, `handles`, and
    /// `call_data_bytes` for what a call hands over.
    ///
    /// Goes before instantiation, because the initial memory of a component counts too.
    pub fn apply<T: PluginView>(store: &mut Store<T>) {
        let limits = &store.data_mut().plugin().limits;
        let (handles, data_bytes) = (limits.handles_max, limits.call_data_bytes_max);
        store.limiter(|data| &mut data.plugin().limits);
        store.set_max_component_handles(handles);
        store.set_hostcall_fuel(data_bytes);
    }
}
