//! The host's data in the store of an instance, and the limits of its memory and tables.
//!
//! Wasmtime's `StoreLimits` bounds each memory on its own. Here all memories of an instance share one
//! budget, and so do all tables. A refused request is kept, to name the failure that usually follows.

use std::sync::Arc;

use edge_cache_core::{Limits, LogLevel};
use wasmtime::ResourceLimiter;
use wasmtime::component::{HasData, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_config::WasiConfigVariables;

use crate::bindings::logging;
use crate::config::PluginConfig;
use crate::gossip_labels::{LabelPolicy, LabelStage};
use crate::log::{GuestLog, InstanceLog};
use crate::wasi::{self, LogStream, Waiting, Waits, WallClock};

/// Data of one instance: one field for each import, and the limiter.
pub(crate) struct HostState {
    pub(crate) settings: WasiConfigVariables,
    pub(crate) labels: LabelStage,
    pub(crate) log: Arc<InstanceLog>,
    pub(crate) limiter: Limiter,
    pub(crate) waits: Waits,
    output: [LogStream; 2],
    table: ResourceTable,
    wasi: WasiCtx,
}

impl HostState {
    pub(crate) fn new(
        config: &PluginConfig,
        policy: LabelPolicy,
        log: Arc<GuestLog>,
        clock: WallClock,
    ) -> Self {
        let limits = &config.limits;
        let instance_log = Arc::new(InstanceLog::new(log.clone()));
        let stdout = LogStream::new(&instance_log, LogLevel::Info, "stdout");
        let stderr = LogStream::new(&instance_log, LogLevel::Warn, "stderr");
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        Self {
            settings: config
                .settings
                .iter()
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            labels: LabelStage::new(policy, limits, log),
            limiter: Limiter::new(limits),
            wasi: wasi::context([&stdout, &stderr], clock, limits.random_bytes),
            output: [stdout, stderr],
            log: instance_log,
            waits: Waits::default(),
            table,
        }
    }
}

impl HostState {
    /// Returns the last lines that the plugin logged in this call, with those that it did not end.
    pub(crate) fn take_lines(&self) -> Vec<String> {
        self.output.iter().for_each(LogStream::end_line);
        self.log.take_recent()
    }

    pub(crate) fn waiting(&mut self) -> Waiting<'_> {
        Waiting {
            waits: &mut self.waits,
            table: &mut self.table,
        }
    }
}

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// Marker type that gives `wasi:logging` access to the log.
pub(crate) struct HasLog;

impl HasData for HasLog {
    type Data<'a> = &'a Arc<InstanceLog>;
}

impl logging::Host for &Arc<InstanceLog> {
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

/// Counts the memory and the tables of one instance.
#[derive(Debug)]
pub(crate) struct Limiter {
    /// Bytes of the linear memories and of the heap of objects.
    pub(crate) memory: Budget,
    table_elements: Budget,
    objects_max: usize,
    /// The last resource that was refused since the last call began.
    pub(crate) refused: Option<Resource>,
}

/// A resource that memories or tables of an instance share.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) used: usize,
    max: usize,
}

/// A kind of resource with a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    Memory,
    Table,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        let budget = |max| Budget { used: 0, max };
        Self {
            memory: budget(limits.memory_bytes),
            table_elements: budget(limits.table_elements),
            objects_max: limits.objects,
            refused: None,
        }
    }

    fn grow(&mut self, resource: Resource, current: usize, desired: usize) -> bool {
        let budget = match resource {
            Resource::Memory => &mut self.memory,
            Resource::Table => &mut self.table_elements,
        };
        let total = budget.used.saturating_add(desired.saturating_sub(current));
        if total > budget.max {
            self.refused = Some(resource);
            return false;
        }
        budget.used = total;
        true
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(Resource::Memory, current, desired))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(Resource::Table, current, desired))
    }

    fn instances(&self) -> usize {
        self.objects_max
    }

    fn tables(&self) -> usize {
        self.objects_max
    }

    fn memories(&self) -> usize {
        self.objects_max
    }
}
