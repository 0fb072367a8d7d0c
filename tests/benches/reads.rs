//! Reads: `is_enabled` and `list_eligible`, beside a map behind an async lock, alone and under one writer
//! and two more readers.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use criterion::{BenchmarkId, Criterion};
use edge_cache_host::{EdgeCacheNode, EdgeCacheRegistry};
use edge_cache_tests::bench::{LockedRegistry, capacity, print_ratio};
use tokio::runtime::{Builder, Runtime};

const SIZES: [u64; 2] = [1_000, 10_000];

struct Pair {
    runtime: Runtime,
    ours: EdgeCacheRegistry,
    locked: Arc<LockedRegistry>,
    size: u64,
}

fn main() -> Result<()> {
    let mut criterion = Criterion::default()
        .measurement_time(Duration::from_secs(3))
        .warm_up_time(Duration::from_secs(1))
        .configure_from_args();
    for size in SIZES {
        let pair = Pair::new(size)?;
        alone(&mut criterion, &pair)?;
        under_load(&mut criterion, &pair)?;
    }
    Ok(())
}

fn alone(criterion: &mut Criterion, pair: &Pair) -> Result<()> {
    measure(
        criterion,
        pair,
        &format!("is_enabled {}", pair.size),
        is_enabled_ours,
        is_enabled_locked,
    )?;
    measure(
        criterion,
        pair,
        &format!("list_eligible {}", pair.size),
        list_ours,
        list_locked,
    )
}

fn under_load(criterion: &mut Criterion, pair: &Pair) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let load = pair.load(&stop);
    let result = measure(
        criterion,
        pair,
        &format!("is_enabled {} under load", pair.size),
        is_enabled_ours,
        is_enabled_locked,
    )
    .and_then(|()| {
        measure(
            criterion,
            pair,
            &format!("list_eligible {} under load", pair.size),
            list_ours,
            list_locked,
        )
    });
    stop.store(true, Ordering::Release);
    for thread in load {
        thread
            .join()
            .map_err(|_| anyhow::anyhow!("the load failed"))?;
    }
    result
}

type Timed = fn(&Pair, u64) -> Duration;

fn measure(
    criterion: &mut Criterion,
    pair: &Pair,
    name: &str,
    ours: Timed,
    locked: Timed,
) -> Result<()> {
    let mut group = criterion.benchmark_group(name);
    group.bench_function(BenchmarkId::from_parameter("ours"), |bencher| {
        bencher.iter_custom(|rounds| ours(pair, rounds));
    });
    group.bench_function(BenchmarkId::from_parameter("locked"), |bencher| {
        bencher.iter_custom(|rounds| locked(pair, rounds));
    });
    group.finish();
    print_ratio(name, "ours", "locked")
}

fn is_enabled_ours(pair: &Pair, rounds: u64) -> Duration {
    pair.runtime.block_on(async {
        let start = Instant::now();
        for round in 0..rounds {
            black_box(
                pair.ours
                    .is_enabled(black_box(round.wrapping_mul(7) % pair.size)),
            );
        }
        start.elapsed()
    })
}

fn is_enabled_locked(pair: &Pair, rounds: u64) -> Duration {
    pair.runtime.block_on(async {
        let start = Instant::now();
        for round in 0..rounds {
            black_box(
                pair.locked
                    .is_enabled(black_box(round.wrapping_mul(7) % pair.size))
                    .await,
            );
        }
        start.elapsed()
    })
}

/// Takes the list and looks at every node of it, so that a list which does its work late gains nothing.
fn list_ours(pair: &Pair, rounds: u64) -> Duration {
    pair.runtime.block_on(async {
        let start = Instant::now();
        for _ in 0..rounds {
            black_box(pair.ours.list_eligible().iter().map(look_at).sum::<u64>());
        }
        start.elapsed()
    })
}

fn list_locked(pair: &Pair, rounds: u64) -> Duration {
    pair.runtime.block_on(async {
        let start = Instant::now();
        for _ in 0..rounds {
            black_box(
                pair.locked
                    .list_eligible()
                    .await
                    .iter()
                    .map(look_at)
                    .sum::<u64>(),
            );
        }
        start.elapsed()
    })
}

fn look_at(node: &EdgeCacheNode) -> u64 {
    node.node_id ^ node.capacity.disk_mib
}

impl Pair {
    fn new(size: u64) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let locked = Arc::new(LockedRegistry::default());
        let ours = runtime.block_on(async {
            let plugin = edge_cache_tests::reference_plugin()?;
            let ours = EdgeCacheRegistry::builder(plugin).start().await?;
            for node_id in 0..size {
                ours.enable(node_id, capacity(node_id)).await?;
                locked.enable(node_id, capacity(node_id)).await;
            }
            anyhow::Ok(ours)
        })?;
        Ok(Self {
            runtime,
            ours,
            locked,
            size,
        })
    }

    /// Starts one writer and two readers on both registries: each change and read runs on one after the
    /// other, so that both sides of a ratio run under the same load.
    fn load(&self, stop: &Arc<AtomicBool>) -> Vec<std::thread::JoinHandle<()>> {
        let writer = {
            let (ours, locked, size, stop) = (
                self.ours.clone(),
                self.locked.clone(),
                self.size,
                stop.clone(),
            );
            let handle = self.runtime.handle().clone();
            std::thread::spawn(move || {
                let mut node_id = 0;
                while !stop.load(Ordering::Acquire) {
                    node_id = (node_id + 1) % size;
                    // A change that fails shows in the benchmark of changes.
                    let _ = handle.block_on(ours.enable(node_id, capacity(node_id)));
                    handle.block_on(locked.enable(node_id, capacity(node_id)));
                }
            })
        };
        let reader = || {
            let (ours, locked, size, stop) = (
                self.ours.clone(),
                self.locked.clone(),
                self.size,
                stop.clone(),
            );
            let handle = self.runtime.handle().clone();
            std::thread::spawn(move || {
                let mut node_id = 0;
                while !stop.load(Ordering::Acquire) {
                    node_id = (node_id + 3) % size;
                    black_box(ours.is_enabled(node_id));
                    black_box(handle.block_on(locked.is_enabled(node_id)));
                }
            })
        };
        vec![writer, reader(), reader()]
    }
}
