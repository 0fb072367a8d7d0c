//! Compilation of a component and its links to the host.

use std::sync::{Mutex, PoisonError};

use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::bindings::{EdgeCachePluginPre, gossip_labels, logging, types};
use crate::cache::CodeCache;
use crate::error::PluginError;
use crate::gossip_labels::HasLabels;
use crate::host_state::{HasLog, HostState};
use crate::wasi;

/// Compiles a component, or takes its code from the cache.
///
/// Compiles one component at a time in this process, since each takes much memory and every core.
pub(crate) fn compile(
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

/// Links a component with its imports.
pub(crate) fn link(
    engine: &Engine,
    component: &Component,
) -> Result<EdgeCachePluginPre<HostState>, PluginError> {
    linker(engine)
        .map_err(|error| PluginError::sandbox(&error))?
        .instantiate_pre(component)
        .and_then(EdgeCachePluginPre::new)
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
