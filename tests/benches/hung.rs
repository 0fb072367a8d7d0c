//! Reads while a call into the component hangs, beside reads while it does not.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use edge_cache_host::sandbox::{Plugin, PluginConfig};
use edge_cache_host::{EdgeCacheRegistry, Limits};
use edge_cache_tests::bench::capacity;

const NODES: u64 = 1_000;
/// The node over which the hostile guest misbehaves.
const TRIGGER: u64 = 666;
/// How many reads are timed together.
const BLOCK: u64 = 1_000;
const BLOCKS: usize = 200;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let bytes = std::fs::read(edge_cache_build::guest_component("hostile")?)?;
    let config = PluginConfig {
        limits: Limits {
            // Long enough for every block to be read within one hang.
            call_deadline: Duration::from_secs(5),
            ..Limits::default()
        },
        settings: [("behaviour".to_string(), "loop@enable".to_string())].into(),
        ..PluginConfig::default()
    };
    let plugin = Plugin::from_bytes(&bytes, config)?;
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
