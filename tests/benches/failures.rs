//! Cost of a failure to others: reads while a call hangs, and changes after a trap.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use edge_cache_host::sandbox::{Plugin, PluginConfig};
use edge_cache_host::{EdgeCacheRegistry, Limits};
use edge_cache_tests::bench::capacity;

const NODES: u64 = 1_000;
/// The node over which the hostile guest misbehaves.
const TRIGGER: u64 = 666;
/// Number of reads that are timed together.
const BLOCK: u64 = 1_000;
const BLOCKS: usize = 200;
const ENTRIES: u64 = 10_000;
const RESTARTS: usize = 5;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    reads(&runtime)?;
    runtime.block_on(changes_after_a_trap())
}

fn hostile(behaviour: &str) -> Result<Plugin> {
    let bytes = std::fs::read(edge_cache_tests::component::hostile()?)?;
    let config = PluginConfig {
        limits: Limits {
            // Long enough for every block to be read within one hang.
            call_deadline: Duration::from_secs(5),
            ..Limits::default()
        },
        settings: [("behaviour".to_string(), behaviour.to_string())].into(),
        ..PluginConfig::default()
    };
    Ok(Plugin::from_bytes(&bytes, config)?)
}

/// From the change that kills the component to the next one that is accepted, restart included.
async fn changes_after_a_trap() -> Result<()> {
    let plugin = hostile("trap@enable")?;
    let mut times = Vec::new();
    for _ in 0..RESTARTS {
        let registry = EdgeCacheRegistry::builder(plugin.clone()).start().await?;
        let mut changes = tokio::task::JoinSet::new();
        for node_id in (0..ENTRIES).filter(|node_id| *node_id != TRIGGER) {
            let registry = registry.clone();
            changes.spawn(async move { registry.enable(node_id, capacity(node_id)).await });
            while changes.len() >= 256 {
                changes.join_next().await.transpose()?.transpose()?;
            }
        }
        while let Some(change) = changes.join_next().await {
            change??;
        }
        let start = Instant::now();
        let killed = registry.enable(TRIGGER, capacity(TRIGGER)).await;
        anyhow::ensure!(killed.is_err(), "the component did not trap");
        registry.enable(1, capacity(1)).await?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    println!(
        "{ENTRIES} entries, from a trap to the next accepted change: p50 {:.1} ms, worst {:.1} ms",
        times
            .get(RESTARTS / 2)
            .map_or(0.0, |time| time.as_secs_f64() * 1e3),
        times.last().map_or(0.0, |time| time.as_secs_f64() * 1e3)
    );
    Ok(())
}

fn reads(runtime: &tokio::runtime::Runtime) -> Result<()> {
    let plugin = hostile("loop@enable")?;
    let registry = runtime.block_on(async {
        let registry = EdgeCacheRegistry::builder(plugin).start().await?;
        for node_id in (0..NODES).filter(|node_id| *node_id != TRIGGER) {
            registry.enable(node_id, capacity(node_id)).await?;
        }
        anyhow::Ok(registry)
    })?;

    let alone = blocks(&registry);
    let hung = runtime.spawn({
        let registry = registry.clone();
        async move { registry.enable(TRIGGER, capacity(TRIGGER)).await }
    });
    while registry.queue_depth() > 0 {
        std::hint::spin_loop();
    }
    let during = blocks(&registry);
    anyhow::ensure!(!hung.is_finished(), "the call ended before the reads did");
    let error = runtime
        .block_on(hung)?
        .err()
        .context("the call did not hang")?;
    println!(
        "is_enabled, p50 of {BLOCKS} blocks: alone {:.1} ns, during a hung call {:.1} ns, ratio {:.3} ({error})",
        alone,
        during,
        during / alone
    );
    Ok(())
}

/// The median time of a read, in nanoseconds.
fn blocks(registry: &EdgeCacheRegistry) -> f64 {
    let mut times = Vec::with_capacity(BLOCKS);
    for _ in 0..BLOCKS {
        let start = Instant::now();
        for node_id in 0..BLOCK {
            black_box(registry.is_enabled(black_box(node_id)));
        }
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let median = times.get(BLOCKS / 2).copied().unwrap_or_default();
    median.as_secs_f64() * 1e9 / BLOCK as f64
}
