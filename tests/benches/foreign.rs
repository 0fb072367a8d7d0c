//! The plugins of the guide, in each language, beside the reference plugin: how large they are, what loading them costs
//! with and without the cache, and what a change through them takes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use edge_cache_host::sandbox::{Plugin, PluginConfig};
use edge_cache_host::{EdgeCacheRegistry, Identity, NodeId, Store};
use edge_cache_tests::bench::capacity;
use edge_cache_tests::guide::Chapter;

const COLD_ROUNDS: usize = 3;
const CACHED_ROUNDS: usize = 20;
const NODES: NodeId = 1_000;
const CHANGES: NodeId = 5_000;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let reference = edge_cache_build::build_reference_plugin()?;
    let ours = measure("reference", &reference, &runtime)?;
    for language in ["Rust", "Python", "JavaScript", "C", "Go"] {
        let chapter = Chapter::of_guide(&format!("In {language}"))?;
        let Some(component) = chapter.component()? else {
            continue;
        };
        let foreign = measure(language, &component, &runtime)?;
        println!(
            "ratio {language} / reference: cold {:.1}, cached {:.1}, enable {:.1}",
            foreign.cold.as_secs_f64() / ours.cold.as_secs_f64(),
            foreign.cached.as_secs_f64() / ours.cached.as_secs_f64(),
            foreign.enable.as_secs_f64() / ours.enable.as_secs_f64(),
        );
    }
    Ok(())
}

struct Costs {
    cold: Duration,
    cached: Duration,
    enable: Duration,
}

fn measure(name: &str, file: &Path, runtime: &tokio::runtime::Runtime) -> Result<Costs> {
    let directory = tempfile::tempdir()?;
    let identity = Identity {
        node_id: None,
        cluster_id: "bench".to_string(),
    };
    let store = Store::open(directory.path(), identity)?;
    // Reading the file, hashing it and the code, and checking its imports and exports are all in there.
    let load = |cache| {
        let start = Instant::now();
        let config = PluginConfig {
            cache,
            ..PluginConfig::default()
        };
        let plugin = Plugin::from_file(file, config)?;
        anyhow::Ok((plugin, start.elapsed()))
    };
    let mut cold = Vec::new();
    for _ in 0..COLD_ROUNDS {
        cold.push(load(None)?.1);
    }
    let (plugin, _) = load(Some(store.code_cache()))?;
    let mut cached = Vec::new();
    for _ in 0..CACHED_ROUNDS {
        cached.push(load(Some(store.code_cache()))?.1);
    }
    let costs = Costs {
        cold: p50(cold)?,
        cached: p50(cached)?,
        enable: runtime.block_on(enable(plugin))?,
    };
    println!(
        "{name} ({} bytes): load cold p50 {:.1} ms, cached p50 {:.1} ms, ratio {:.4}; enable p50 {:.1} us",
        std::fs::metadata(file)?.len(),
        costs.cold.as_secs_f64() * 1e3,
        costs.cached.as_secs_f64() * 1e3,
        costs.cached.as_secs_f64() / costs.cold.as_secs_f64(),
        costs.enable.as_secs_f64() * 1e6,
    );
    Ok(costs)
}

/// Measures a caller's wait without a store: most of it is the plugin's work.
async fn enable(plugin: Plugin) -> Result<Duration> {
    let registry = EdgeCacheRegistry::builder(plugin).start().await?;
    let mut times = Vec::new();
    for change in 0..CHANGES {
        let node_id = change % NODES;
        let start = Instant::now();
        registry.enable(node_id, capacity(node_id)).await?;
        times.push(start.elapsed());
    }
    registry.shutdown().await;
    p50(times)
}

fn p50(mut times: Vec<Duration>) -> Result<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied().context("no times")
}
