//! Reads, and other registries of the process, while a call hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::Result;
use edge_cache_host::{EdgeCacheRegistry, Limits};
use edge_cache_tests::cluster_of_one::capacity;
use edge_cache_tests::reference_plugin;
use insta::assert_snapshot;
use tokio::task::JoinHandle;

use super::{OTHER, OWN, misbehave, node};

/// A read takes less than a microsecond, and a call hangs for 250 ms.
const READS_MIN: u64 = 5_000;
/// A change takes some microseconds; on a busy machine it waits for a processor.
const CHANGES_MIN: u64 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_and_other_registries_go_on_while_a_call_loops() -> Result<()> {
    assert_snapshot!(hang("loop@enable").await?, @"the plugin failed: enable ran for longer than 250 ms, the limit `call_deadline`");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_and_other_registries_go_on_while_a_call_keeps_the_host_busy() -> Result<()> {
    assert_snapshot!(hang("many-clocks@add-stats").await?, @"the plugin failed: add-stats ran for longer than 250 ms, the limit `call_deadline`");
    Ok(())
}

/// Answers how the call failed, when enough went on beside it.
async fn hang(behaviour: &str) -> Result<String> {
    let node = node(behaviour, Limits::default()).await?;
    let bystander = EdgeCacheRegistry::builder(reference_plugin()?)
        .start()
        .await?;
    let traffic = Traffic::start(&node.registry, &bystander);
    let before = traffic.counts();
    let error = misbehave(&node.registry, behaviour).await.unwrap_err();
    let after = traffic.counts();
    traffic.stop().await?;
    let (reads, changes) = (after.0 - before.0, after.1 - before.1);
    println!("{behaviour}: {reads} reads and {changes} changes of another registry beside it");
    assert!(reads > READS_MIN, "{reads} reads");
    assert!(changes > CHANGES_MIN, "{changes} changes");
    assert_eq!(bystander.status().restarts, 0);
    Ok(error.to_string())
}

/// Reads of one registry and changes of another, as fast as they go.
struct Traffic {
    over: Arc<AtomicBool>,
    reads: Arc<AtomicU64>,
    changes: Arc<AtomicU64>,
    reader: JoinHandle<()>,
    changer: JoinHandle<Result<()>>,
}

impl Traffic {
    fn start(read: &EdgeCacheRegistry, changed: &EdgeCacheRegistry) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let reads = Arc::new(AtomicU64::new(0));
        let changes = Arc::new(AtomicU64::new(0));
        let reader = {
            let (registry, over, reads) = (read.clone(), over.clone(), reads.clone());
            tokio::task::spawn_blocking(move || {
                while !over.load(Ordering::Relaxed) {
                    assert!(registry.is_enabled(OWN));
                    assert_eq!(registry.stats(OTHER).hits, 1);
                    assert!(registry.list_eligible().get(OTHER).is_some());
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let changer = {
            let (registry, over, changes) = (changed.clone(), over.clone(), changes.clone());
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    registry.enable(OWN, capacity()).await?;
                    registry.disable(OWN).await?;
                    changes.fetch_add(2, Ordering::Relaxed);
                }
                Ok(())
            })
        };
        Self {
            over,
            reads,
            changes,
            reader,
            changer,
        }
    }

    fn counts(&self) -> (u64, u64) {
        (
            self.reads.load(Ordering::Relaxed),
            self.changes.load(Ordering::Relaxed),
        )
    }

    async fn stop(self) -> Result<()> {
        self.over.store(true, Ordering::Relaxed);
        self.reader.await?;
        self.changer.await?
    }
}
