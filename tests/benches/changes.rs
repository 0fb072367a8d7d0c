//! Changes through the component: what a caller waits, and how much of it the writer worked.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use edge_cache_host::{EdgeCacheRegistry, Identity, NodeId, Store};
use edge_cache_tests::bench::capacity;
use edge_cache_tests::prometheus::Scrape;

const NODES: NodeId = 1_000;
const WARM_UP: NodeId = 2_000;
const ROUNDS: NodeId = 20_000;
const DURABLE_ROUNDS: NodeId = 300;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(enable())?;
    for callers in [1, 64] {
        runtime.block_on(durable(callers))?;
    }
    raw_commit()
}

/// Changes a second with a store on disk, and how many of them share a commit.
async fn durable(callers: u64) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let identity = Identity {
        node_id: None,
        cluster_id: "bench".to_string(),
    };
    let registry = EdgeCacheRegistry::builder(edge_cache_tests::reference_plugin()?)
        .store(Store::open(directory.path(), identity)?)
        .start()
        .await?;
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..callers {
        let registry = registry.clone();
        tasks.spawn(async move {
            for round in 0..DURABLE_ROUNDS {
                let node_id = caller * DURABLE_ROUNDS + round;
                registry.enable(node_id, capacity(node_id)).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    let took = start.elapsed();
    let metrics = Scrape::of(&registry)?;
    let changes = metrics.value("edge_cache_batch_changes_sum");
    let batches = metrics.value("edge_cache_batch_changes_count");
    println!(
        "durable enable, {callers} callers: {:.0} changes a second, {:.1} changes a commit, {:.1} us a commit",
        changes / took.as_secs_f64(),
        changes / batches,
        micros(took) / batches
    );
    Ok(())
}

/// Measures one durable commit of a small value with redb alone, on the same disk.
fn raw_commit() -> Result<()> {
    const TABLE: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("raw");
    let directory = tempfile::tempdir()?;
    let database = redb::Database::create(directory.path().join("raw.redb"))?;
    let mut times = Vec::new();
    for key in 0..DURABLE_ROUNDS {
        let start = Instant::now();
        let transaction = database.begin_write()?;
        transaction
            .open_table(TABLE)?
            .insert(key, [0_u8; 160].as_slice())?;
        transaction.commit()?;
        times.push(start.elapsed());
    }
    println!("one raw redb commit: p50 {:.1} us", micros(p50(times)));
    Ok(())
}

/// Measures changes by one caller: each change is its own batch, whose busy time is the counter's growth.
async fn enable() -> Result<()> {
    let registry = EdgeCacheRegistry::builder(edge_cache_tests::reference_plugin()?)
        .start()
        .await?;
    let mut waited = Vec::new();
    let mut worked = Vec::new();
    for round in 0..WARM_UP + ROUNDS {
        let node_id = round % NODES;
        let before = registry.metrics().writer_busy.get();
        let start = Instant::now();
        registry.enable(node_id, capacity(node_id)).await?;
        let caller = start.elapsed();
        if round >= WARM_UP {
            waited.push(caller);
            worked.push(settled_busy(&registry, before));
        } else {
            settled_busy(&registry, before);
        }
    }
    let (waited, worked, floor) = (p50(waited), p50(worked), exchange()?);
    println!(
        "enable through the component, {NODES} nodes, no store: caller p50 {:.1} us, writer busy p50 {:.1} us, \
         between them {:.1} us; a bare exchange between two sleeping threads {:.1} us",
        micros(waited),
        micros(worked),
        micros(waited) - micros(worked),
        micros(floor)
    );
    Ok(())
}

/// Measures waking another thread and being woken by it.
fn exchange() -> Result<Duration> {
    let (ask, asked) = mpsc::channel();
    let (answer, answered) = mpsc::channel();
    let other = thread::spawn(move || asked.iter().try_for_each(|()| answer.send(())));
    let mut times = Vec::new();
    for _ in 0..WARM_UP {
        let start = Instant::now();
        ask.send(())?;
        answered.recv()?;
        times.push(start.elapsed());
    }
    drop(ask);
    other
        .join()
        .map_err(|_| anyhow::anyhow!("the other thread failed"))??;
    Ok(p50(times))
}

/// Returns the writer's busy time since `before`, in seconds; the counter grows just after the answer.
fn settled_busy(registry: &EdgeCacheRegistry, before: f64) -> Duration {
    loop {
        let busy = registry.metrics().writer_busy.get() - before;
        if busy > 0.0 {
            return Duration::from_secs_f64(busy);
        }
        std::hint::spin_loop();
    }
}

fn p50(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
