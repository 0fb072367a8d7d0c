//! A host with a wasmtime engine and store of its own, which publishes what the reference plugin says by gossip.
#![allow(missing_docs, missing_debug_implementations, reason = "of `bindgen`")]

use edge_cache_gossip::{GossipConfig, GossipPool, PeerInfo};
use edge_cache_sandbox::{self as sandbox, LabelStage, PluginCtx, PluginView};
use wasmtime::component::{Component, Linker, bindgen};
use wasmtime::{Config, Engine, Error, Result, Store};
use wasmtime_wasi::{WasiCtxView, WasiView};

#[cfg(test)]
mod tests;

bindgen!({ path: "../../wit", world: "edge-cache-plugin" });

/// Data of the store, to which a host adds its own.
struct State(PluginCtx);

impl PluginView for State {
    fn plugin(&mut self) -> &mut PluginCtx {
        &mut self.0
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.0.ctx()
    }
}

fn main() -> Result<()> {
    let engine = Engine::new(Config::new().consume_fuel(true))?;
    let mut linker = Linker::<State>::new(&engine);
    sandbox::add_to_linker(&mut linker)?;
    sandbox::add_wasi_to_linker(&mut linker)?;
    let config = sandbox::PluginConfig::default();
    let plugin = PluginCtx::new(&config, sandbox::InstanceConfig::detached(&config));
    let mut store = Store::new(&engine, State(plugin));
    sandbox::InstanceLimits::apply(&mut store);
    store.set_fuel(100_000_000)?; // for all calls
    let component = Component::from_file(&engine, env!("REFERENCE_PLUGIN_FILE"))?;
    let plugin = EdgeCachePlugin::instantiate(&mut store, &component, &linker)?;
    let state = plugin.zlayer_edge_cache_state();
    LabelStage::during(&mut store, |store| state.call_load(store, &[]))?.map_err(Error::msg)?;
    let capacity = zlayer::edge_cache::types::NodeCapacity {
        cpu_cores: 8,
        ram_mib: 16_384,
        disk_mib: 512_000,
        geo: None,
    };
    let registry = plugin.zlayer_edge_cache_registry();
    let (_, labels) = LabelStage::during(&mut store, |s| registry.call_enable(s, 7, &capacity))??;
    tokio::runtime::Runtime::new()?.block_on(async {
        let config = GossipConfig::new(PeerInfo::placeholder(7), "example", "127.0.0.1:0".parse()?);
        let pool = GossipPool::start(config).await?;
        pool.publish_labels(labels.get(&7).cloned().unwrap_or_default())?;
        pool.published().await?;
        println!("node 7 advertises {:?}", pool.self_info().labels);
        Ok(())
    })
}
