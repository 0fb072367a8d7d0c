//! The wasmtime engine, and the compilation of a component with its links to the host.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use edge_cache_core::Limits;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine};

use crate::bindings::{EdgeCachePluginPre, gossip_labels, logging, types};
use crate::cache::CodeCache;
use crate::config::PluginConfig;
use crate::contract::Comparison;
use crate::error::PluginError;
use crate::file;
use crate::gossip_labels::HasLabels;
use crate::host_state::{HasLog, HostState};
use crate::wasi;

/// Compiles a component, or takes its code from the cache, compares it with the world and links it.
///
/// `comparison` is set as soon as the component is compiled, also if it does not fit.
pub(crate) fn compile(
    bytes: &[u8],
    sha256: &[u8; 32],
    config: &PluginConfig,
    cache: Option<CodeCache>,
    comparison: &mut Comparison,
) -> Result<(Engine, EdgeCachePluginPre<HostState>), PluginError> {
    file::check_header(bytes, config.limits.plugin_bytes)?;
    let engine = engine(&config.limits).map_err(|error| PluginError::sandbox(&error))?;
    let component = component(&engine, bytes, sha256, cache)?;
    *comparison = Comparison::of(&component, &engine, &config.imports);
    let mismatches = comparison.mismatches();
    if !mismatches.is_empty() {
        return Err(PluginError::Mismatch(mismatches));
    }
    let pre = linker(&engine)
        .map_err(|error| PluginError::sandbox(&error))?
        .instantiate_pre(&component)
        .and_then(EdgeCachePluginPre::new)
        .map_err(|error| PluginError::invalid(&error))?;
    Ok((engine, pre))
}

/// Compiles one component at a time in this process, since each takes much memory and every core.
fn component(
    engine: &Engine,
    bytes: &[u8],
    sha256: &[u8; 32],
    cache: Option<CodeCache>,
) -> Result<Component, PluginError> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let compile = || Component::from_binary(engine, bytes);
    match cache {
        Some(cache) => cache.component(engine, sha256, compile),
        None => compile(),
    }
    .map_err(|error| PluginError::invalid(&error))
}

fn linker(engine: &Engine) -> wasmtime::Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    wasi::add_to_linker(&mut linker)?;
    wasmtime_wasi_config::add_to_linker(&mut linker, |state: &mut HostState| {
        (&state.settings).into()
    })?;
    types::add_to_linker::<_, HasLabels>(&mut linker, |state: &mut HostState| &mut state.labels)?;
    gossip_labels::add_to_linker::<_, HasLabels>(&mut linker, |state| &mut state.labels)?;
    logging::add_to_linker::<_, HasLog>(&mut linker, |state| &state.log)?;
    Ok(linker)
}

/// Makes an engine for untrusted components and starts its epoch thread.
///
/// The thread ends when the engine is dropped.
pub(crate) fn engine(limits: &Limits) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        // Synchronous calls without fibres take a third of the time, and no call is async.
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(limits.stack_bytes);
    let engine = Engine::new(&config)?;
    start_epoch_thread(&engine, limits.epoch_tick)?;
    Ok(engine)
}

/// Returns the number of epoch ticks after which a call has run for at least `deadline`.
///
/// The first tick may follow at once, so the number is one more than fits.
pub(crate) fn ticks(deadline: Duration, tick: Duration) -> u64 {
    let ticks = deadline.as_nanos().checked_div(tick.as_nanos());
    ticks
        .and_then(|ticks| u64::try_from(ticks).ok())
        .unwrap_or(u64::MAX)
        .saturating_add(1)
}

fn start_epoch_thread(engine: &Engine, tick: Duration) -> wasmtime::Result<()> {
    let engine = engine.weak();
    thread::Builder::new()
        .name("edge-epoch".into())
        .spawn(move || {
            loop {
                thread::sleep(tick);
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })?;
    Ok(())
}
