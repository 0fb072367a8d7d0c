//! Hundreds of registries in one process: what they share, and what they give back.

use std::fs;
use std::time::{Duration, Instant};

use edge_cache_host::zlayer::edge_cache::EdgeCacheRegistry;
use edge_cache_tests::wait::until;

use super::capacity;

const REGISTRIES: usize = 300;
/// Address space that an instance takes at least: a memory of 32 bits, whose bounds need no checks.
const INSTANCE_BYTES: u64 = 4 << 30;
/// Number of instances that are freed: far more than other tests start meanwhile.
const FREED: u64 = 200;

/// Returns the number of threads that such registries have started: theirs, and those of the compiler, which have no name
/// of their own.
fn threads() -> usize {
    fs::read_dir("/proc/self/task")
        .unwrap()
        // A thread may end meanwhile.
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.trim() == "edge-zlayer")
        .count()
}

/// Returns the address space of this process, in bytes.
fn address_space() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmSize:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn three_hundred_registries_share_a_thread_and_give_their_instances_back() {
    let first = EdgeCacheRegistry::new();
    first.enable(0, capacity(1)).await.unwrap();
    let of_first = threads();

    let start = Instant::now();
    let registries: Vec<_> = (0..REGISTRIES).map(|_| EdgeCacheRegistry::new()).collect();
    println!("{REGISTRIES} registries in {:?}", start.elapsed());
    for (node_id, registry) in (1..).zip(&registries) {
        registry.enable(node_id, capacity(1)).await.unwrap();
    }
    println!("with a node each, in {:?}", start.elapsed());
    assert_eq!(threads(), of_first);
    for (node_id, registry) in (1..).zip(&registries) {
        let listed = registry.list_eligible().await;
        assert_eq!((listed.len(), listed[0].node_id), (1, node_id));
    }

    let full = address_space();
    // A clone keeps its registry.
    let kept = registries[0].clone();
    drop(registries);
    until(
        "the address space of the instances",
        Duration::from_secs(20),
        || async {
            let left = address_space();
            if left + FREED * INSTANCE_BYTES < full {
                Ok(())
            } else {
                Err((full, left))
            }
        },
    )
    .await;
    assert!(kept.is_enabled(1).await);
    kept.disable(1).await.unwrap();
}
