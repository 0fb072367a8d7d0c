//! Swaps under load: changes and reads go on while one plugin replaces the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use edge_cache_host::gossip::{GossipConfig, GossipPool, PeerInfo};
use edge_cache_host::{EdgeCacheError, EdgeCacheRegistry, Store, SwapError};
use edge_cache_tests::cluster_of_one::{OWN, capacity};
use edge_cache_tests::long_tests;
use edge_cache_tests::wait::until;

use super::{ONE, SEEN_WITHIN, weighing};

/// No change is lost, and none is made twice: each adds one, and the sum tells.
#[tokio::test(flavor = "multi_thread")]
async fn swaps_under_load_lose_no_change_and_disturb_no_read() {
    const CALLERS: u64 = 16;
    const CHANGES_A_SWAP: u64 = 100;
    let swaps = if long_tests() { 50 } else { 10 };
    let directory = tempfile::tempdir().unwrap();
    let listen = ([127, 0, 0, 1], 0).into();
    let pool = GossipPool::start(GossipConfig::new(PeerInfo::placeholder(OWN), "one", listen));
    let pool = pool.await.unwrap();
    let identity = edge_cache_host::Identity {
        node_id: Some(OWN),
        cluster_id: "one".to_string(),
    };
    let store = Store::open(directory.path(), identity).unwrap();
    let components = [weighing("disk"), weighing("ram")];
    let registry = EdgeCacheRegistry::builder(components[0].clone())
        .gossip(pool)
        .store(store)
        .start()
        .await
        .unwrap();
    for node_id in 0..1_000 {
        registry.enable(node_id, capacity()).await.unwrap();
    }
    let over = Arc::new(AtomicBool::new(false));
    let longest = Arc::new(AtomicU64::new(0));
    let answered = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (registry, over) = (registry.clone(), over.clone());
            let (longest, answered) = (longest.clone(), answered.clone());
            tokio::spawn(async move {
                let mut made = 0;
                // 500 changes a second by all of them together.
                let pause = Duration::from_millis(1_000 * CALLERS / 500);
                let mut pace = tokio::time::interval(pause);
                while !over.load(Ordering::Acquire) {
                    pace.tick().await;
                    let start = Instant::now();
                    let totals = registry.add_stats(caller, ONE).await?;
                    made += 1;
                    assert_eq!(totals.hits, made, "each once, and in order");
                    let took = u64::try_from(start.elapsed().as_micros()).unwrap();
                    longest.fetch_max(took, Ordering::Relaxed);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<u64, EdgeCacheError>(made)
            })
        })
        .collect();
    let reader = std::thread::spawn({
        let (registry, over) = (registry.clone(), over.clone());
        move || {
            let mut reads = 0_u64;
            while !over.load(Ordering::Acquire) {
                assert!(registry.is_enabled(999));
                assert_eq!(registry.list_eligible().len(), 1_000);
                reads += 1;
            }
            reads
        }
    });
    let (mut swap_took, begun) = (Duration::ZERO, Instant::now());
    for n in 0..swaps {
        let start = Instant::now();
        registry
            .swap(components[(n + 1) % 2].clone())
            .await
            .unwrap();
        swap_took = swap_took.max(start.elapsed());
        let before = answered.load(Ordering::Relaxed);
        until("changes by the new one", SEEN_WITHIN, || async {
            let since = answered.load(Ordering::Relaxed) - before;
            if since >= CHANGES_A_SWAP {
                Ok(())
            } else {
                Err(since)
            }
        })
        .await;
    }
    over.store(true, Ordering::Release);
    let mut sum = 0;
    for (caller, made) in (0..).zip(callers) {
        let made = made.await.unwrap().unwrap();
        assert_eq!(registry.stats(caller).hits, made);
        sum += made;
    }
    assert!(sum >= CHANGES_A_SWAP * swaps as u64);
    let rate = sum as f64 / begun.elapsed().as_secs_f64();
    let reads = reader.join().unwrap();
    assert_eq!(registry.status().restarts, 0);
    println!(
        "{swaps} swaps with 1,000 entries, {sum} changes, {rate:.0} a second, {reads} reads; a swap took \
         {swap_took:?} at most, a change {} us",
        longest.load(Ordering::Relaxed)
    );
    registry.shutdown().await;
    assert!(matches!(
        registry.swap(components[0].clone()).await,
        Err(SwapError::ShuttingDown)
    ));
}
