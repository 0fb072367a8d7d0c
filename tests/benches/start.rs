//! Starting: a component compiled, taken from the cache, instantiated; a registry with many entries begun
//! anew; many registries of ZLayer's API.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use edge_cache_host::sandbox::{Instance, InstanceConfig, Plugin, PluginConfig};
use edge_cache_host::zlayer::edge_cache::EdgeCacheRegistry as ZLayerRegistry;
use edge_cache_host::{EdgeCacheNode, EdgeCacheRegistry, EdgeCacheStats, Entry, Identity, Store};
use edge_cache_tests::bench::capacity;
use edge_cache_tests::component::reference_bytes;

const ENTRIES: u64 = 10_000;
const ROUNDS: usize = 10;
const REGISTRIES: usize = 300;

fn main() -> Result<()> {
    let bytes = reference_bytes()?;
    let directory = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(fill(directory.path()))?;

    let cold = p50(|| Plugin::from_bytes(bytes, PluginConfig::default()).map(drop))?;
    let cached = {
        let store = open(directory.path())?;
        p50(|| load(&store).map(drop))?
    };
    println!(
        "load the component ({} bytes): cold p50 {}, cached p50 {}, ratio {:.3}",
        bytes.len(),
        millis(cold),
        millis(cached),
        cached.as_secs_f64() / cold.as_secs_f64()
    );

    let plugin = Plugin::from_bytes(bytes, PluginConfig::default())?;
    let empty = p50(|| instance(&plugin, &[]))?;
    let entries: Vec<Entry> = (0..ENTRIES).map(entry).collect();
    let full = p50(|| instance(&plugin, &entries))?;
    println!(
        "instantiate and load: nothing p50 {}, {ENTRIES} entries and their list p50 {}",
        millis(empty),
        millis(full)
    );

    let begun = p50(|| {
        let store = open(directory.path())?;
        let plugin = load(&store)?;
        runtime.block_on(async {
            let registry = EdgeCacheRegistry::builder(plugin)
                .store(store)
                .start()
                .await?;
            anyhow::ensure!(registry.list_eligible().len() as u64 == ENTRIES);
            registry.shutdown().await;
            anyhow::Ok(())
        })
    })?;
    println!(
        "open a store of {ENTRIES} entries, take the code from the cache, load, and stop again: p50 {}",
        millis(begun)
    );
    runtime.block_on(many())
}

/// Makes registries of ZLayer's API after a first one, and enables a node in each.
async fn many() -> Result<()> {
    let first = ZLayerRegistry::new();
    first.enable(0, capacity(0)).await?;
    let start = Instant::now();
    let registries: Vec<_> = (0..REGISTRIES).map(|_| ZLayerRegistry::new()).collect();
    let made = start.elapsed();
    for registry in &registries {
        registry.enable(1, capacity(1)).await?;
    }
    println!(
        "{REGISTRIES} registries of ZLayer's API: made in {}, with a node each in {}",
        millis(made),
        millis(start.elapsed())
    );
    Ok(())
}

async fn fill(directory: &Path) -> Result<()> {
    let store = open(directory)?;
    let registry = EdgeCacheRegistry::builder(load(&store)?)
        .store(store)
        .start()
        .await?;
    let mut changes = tokio::task::JoinSet::new();
    for node_id in 0..ENTRIES {
        let registry = registry.clone();
        changes.spawn(async move { registry.enable(node_id, capacity(node_id)).await });
        while changes.len() >= 256 {
            changes.join_next().await.transpose()?.transpose()?;
        }
    }
    while let Some(change) = changes.join_next().await {
        change??;
    }
    registry.shutdown().await;
    Ok(())
}

fn open(directory: &Path) -> Result<Store> {
    let identity = Identity {
        node_id: None,
        cluster_id: "bench".to_string(),
    };
    Ok(Store::open(directory, identity)?)
}

fn load(store: &Store) -> Result<Plugin> {
    let config = PluginConfig {
        cache: Some(store.code_cache()),
        ..PluginConfig::default()
    };
    Ok(Plugin::from_bytes(reference_bytes()?, config)?)
}

fn entry(node_id: u64) -> Entry {
    Entry {
        node: EdgeCacheNode {
            node_id,
            capacity: capacity(node_id),
            enabled_at: SystemTime::UNIX_EPOCH,
        },
        stats: EdgeCacheStats::default(),
    }
}

fn instance(plugin: &Plugin, entries: &[Entry]) -> Result<()> {
    let config = InstanceConfig::detached(plugin.config());
    let mut instance = Instance::start(plugin, config)?;
    instance.load(entries)?;
    anyhow::ensure!(instance.list_eligible()?.len() == entries.len());
    Ok(())
}

fn p50<E>(mut run: impl FnMut() -> Result<(), E>) -> Result<Duration, E> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times.get(ROUNDS / 2).copied().unwrap_or_default())
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
