//! The host's data in the store of an instance.

use std::sync::Arc;

use wasmtime::component::{HasData, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_config::WasiConfigVariables;

use crate::bindings::logging;
use crate::config::PluginConfig;
use crate::gossip_labels::{LabelPolicy, LabelStage};
use crate::limiter::Limiter;
use crate::log::GuestLog;
use crate::wasi::{self, WallClock};
use edge_cache_core::LogLevel;

/// Data of one instance: one field for each import, and the limiter.
pub(crate) struct HostState {
    pub(crate) settings: WasiConfigVariables,
    pub(crate) labels: LabelStage,
    pub(crate) log: Arc<GuestLog>,
    pub(crate) limiter: Limiter,
    wasi: WasiCtx,
    table: ResourceTable,
}

impl HostState {
    pub(crate) fn new(
        config: &PluginConfig,
        policy: LabelPolicy,
        log: Arc<GuestLog>,
        clock: WallClock,
    ) -> Self {
        let limits = &config.limits;
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        Self {
            settings: config
                .settings
                .iter()
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            labels: LabelStage::new(policy, limits, log.clone()),
            limiter: Limiter::new(limits),
            wasi: wasi::context(&log, clock, limits.random_bytes),
            log,
            table,
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
