//! The imports of a plugin, over the data of a store.

use edge_cache_core::{LogLevel, NodeId};
use wasmtime::component::{HasData, Linker};
use wasmtime::{AsContextMut, Result};
use wasmtime_wasi::WasiView;

use crate::bindings::{gossip_labels, logging, types};
use crate::gossip_labels::{LabelStage, PublishedLabels};
use crate::plugin_ctx::{PluginCtx, PluginView};
use crate::wasi;

/// Links `zlayer:edge-cache/gossip-labels` and `wasi:logging/logging`.
///
/// # What a host must do
///
/// An [`Instance`](crate::Instance) does all this. A host with an engine and a store of its own:
///
/// - compiles only components that it trusts, or in a process with limits: compiling may take minutes and gigabytes;
/// - enables `epoch_interruption` in its engine, increments the epoch on a thread, and sets the store's epoch deadline
///   before each call, or does the same with fuel: otherwise a plugin may run for ever;
/// - enables in its engine what the languages of its plugins need, such as `wasm_exceptions` and `wasm_gc`;
/// - links WASI too, by [`add_wasi_to_linker`] or its own;
/// - gives each instance a store of its own, and calls [`InstanceLimits::apply`](crate::InstanceLimits::apply) before
///   it instantiates;
/// - sets the store's `hostcall_fuel` to `list_data_bytes` for `load` and `list-eligible`, where the registry is large;
/// - makes one call at a time, on a thread that runs no async code, and `load` first, with all that it remembers;
/// - makes `load`, `apply`, `enable` and `disable` within [`LabelStage::during`]: elsewhere labels are denied;
/// - after a failed call drops the store, and loads a new instance with what it remembers;
/// - checks what the plugin answers: [`EdgeCacheNode::check`](edge_cache_core::EdgeCacheNode::check) for each node, that
///   it is the node that was asked about, and the length of texts;
/// - announces the labels of its own node only, once it keeps the result of the call.
///
/// # Example
///
/// ```
/// use edge_cache_sandbox::{
///     InstanceConfig, InstanceLimits, PluginConfig, PluginCtx, PluginView, add_to_linker,
///     add_wasi_to_linker,
/// };
/// use wasmtime::component::Linker;
/// use wasmtime::{Engine, Store};
/// use wasmtime_wasi::{WasiCtxView, WasiView};
///
/// struct State {
///     plugin: PluginCtx,
///     // … and the host's own data.
/// }
///
/// impl PluginView for State {
///     fn plugin(&mut self) -> &mut PluginCtx {
///         &mut self.plugin
///     }
/// }
///
/// impl WasiView for State {
///     fn ctx(&mut self) -> WasiCtxView<'_> {
///         self.plugin.ctx()
///     }
/// }
///
/// # fn main() -> wasmtime::Result<()> {
/// let engine = Engine::default();
/// let mut linker = Linker::<State>::new(&engine);
/// add_to_linker(&mut linker)?;
/// add_wasi_to_linker(&mut linker)?;
///
/// let config = PluginConfig::default();
/// let plugin = PluginCtx::new(&config, InstanceConfig::detached(&config));
/// let mut store = Store::new(&engine, State { plugin });
/// InstanceLimits::apply(&mut store);
/// // … instantiate in `store` with `linker`, and call within `LabelStage::during`.
/// # Ok(())
/// # }
/// ```
///
/// The example `own_host` is a whole program.
///
/// # Errors
///
/// The linker has one of the interfaces already.
pub fn add_to_linker<T: PluginView>(linker: &mut Linker<T>) -> Result<()> {
    types::add_to_linker::<T, HasPlugin>(linker, T::plugin)?;
    gossip_labels::add_to_linker::<T, HasPlugin>(linker, T::plugin)?;
    logging::add_to_linker::<T, HasPlugin>(linker, T::plugin)
}

/// Links `wasi:config` and WASI 0.2, without waiting: a wait fails at once. For a linker that has none of it yet.
///
/// The WASI of `wasmtime-wasi` lets a plugin sleep for as long as it wants, which nothing can interrupt. The store's
/// `WasiView` must be that of its [`PluginCtx`]. `wasi:http`, which some toolchains import, is linked by
/// [`add_wasi_http_to_linker`](crate::add_wasi_http_to_linker).
///
/// # Errors
///
/// The linker has one of the interfaces already.
pub fn add_wasi_to_linker<T: PluginView + WasiView>(linker: &mut Linker<T>) -> Result<()> {
    wasi::add_to_linker(linker, |data| data.plugin().waits())?;
    wasmtime_wasi_config::add_to_linker(linker, |data| (&data.plugin().settings).into())
}

impl LabelStage {
    /// Makes a call that may publish labels: `load`, `apply`, `enable` or `disable`. Returns its labels with its answer.
    ///
    /// A call that fails, or that answers an error, publishes nothing.
    ///
    /// # Errors
    ///
    /// Those of the call. The store must be dropped then: wasmtime refuses most later calls, but not all of them.
    pub fn during<S, T, E>(
        store: &mut S,
        call: impl FnOnce(&mut S) -> Result<std::result::Result<T, E>>,
    ) -> Result<std::result::Result<(T, PublishedLabels), E>>
    where
        S: AsContextMut<Data: PluginView>,
    {
        store.as_context_mut().data_mut().plugin().labels.open();
        let called = call(store);
        let labels = store.as_context_mut().data_mut().plugin().labels.close();
        Ok(called?.map(|answer| (answer, labels)))
    }
}

impl types::Host for PluginCtx {}

impl gossip_labels::Host for PluginCtx {
    fn publish(
        &mut self,
        node: NodeId,
        labels: Vec<types::Label>,
    ) -> std::result::Result<(), gossip_labels::LabelError> {
        self.labels.stage(node, labels, &self.log.log)
    }
}

impl logging::Host for PluginCtx {
    fn log(&mut self, level: logging::Level, context: String, message: String) {
        let level = match level {
            logging::Level::Trace => LogLevel::Trace,
            logging::Level::Debug => LogLevel::Debug,
            logging::Level::Info => LogLevel::Info,
            logging::Level::Warn => LogLevel::Warn,
            logging::Level::Error => LogLevel::Error,
            logging::Level::Critical => LogLevel::Critical,
        };
        self.log.write(level, &context, &message);
    }
}

/// Marker type that gives the generated traits access to the data of an instance.
struct HasPlugin;

impl HasData for HasPlugin {
    type Data<'a> = &'a mut PluginCtx;
}
