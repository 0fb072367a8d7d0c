//! Random changes, of which both registries answer the same.

use std::time::Instant;

use edge_cache_host::zlayer::edge_cache as ours;
use fastrand::Rng;
use zlayer_overlay::edge_cache as native;

const CHANGES: usize = 100_000;
const NODES: u64 = 40;
/// The lists are compared once in so many changes.
const LISTED_EVERY: usize = 50;

/// Returns a capacity within the contract's bounds.
fn capacity(rng: &mut Rng) -> native::NodeCapacity {
    let geo = |rng: &mut Rng| {
        let characters = ["a", "-", " ", "é", "京"];
        let length = rng.usize(1..=16);
        (0..length)
            .map(|_| characters[rng.usize(..characters.len())])
            .collect()
    };
    native::NodeCapacity {
        cpu_cores: rng.u32(..),
        ram_mib: rng.u64(..),
        disk_mib: rng.u64(1..),
        geo: rng.bool().then(|| geo(rng)),
    }
}

#[tokio::test]
async fn both_registries_give_the_same_answers() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let begun = Instant::now();
    let (our, theirs) = (
        ours::EdgeCacheRegistry::new(),
        native::EdgeCacheRegistry::new(),
    );
    for change in 0..CHANGES {
        let node_id = rng.u64(..NODES);
        let answers = match rng.u8(..3) {
            0 => (
                our.disable(node_id)
                    .await
                    .map_err(|error| error.to_string()),
                theirs
                    .disable(node_id)
                    .await
                    .map_err(|error| error.to_string()),
            ),
            _ => {
                let offered = capacity(&mut rng);
                let same = ours::NodeCapacity {
                    cpu_cores: offered.cpu_cores,
                    ram_mib: offered.ram_mib,
                    disk_mib: offered.disk_mib,
                    geo: offered.geo.clone(),
                };
                (
                    our.enable(node_id, same)
                        .await
                        .map_err(|error| error.to_string()),
                    theirs
                        .enable(node_id, offered)
                        .await
                        .map_err(|error| error.to_string()),
                )
            }
        };
        assert_eq!(answers.0, answers.1, "change {change}");
        let is_enabled = (
            our.is_enabled(node_id).await,
            theirs.is_enabled(node_id).await,
        );
        assert_eq!(is_enabled.0, is_enabled.1, "change {change}");
        if change % LISTED_EVERY == 0 {
            let listed = our.list_eligible().await;
            let mut native = theirs.list_eligible().await;
            native.sort_by_key(|node| node.node_id);
            // Both print the same fields by the same names.
            let ours = listed
                .iter()
                .map(|it| (it.node_id, format!("{:?}", it.capacity)));
            let native = native
                .iter()
                .map(|it| (it.node_id, format!("{:?}", it.capacity)));
            assert!(ours.eq(native), "change {change}");
        }
        let counters = (our.stats(node_id).await, theirs.stats(node_id).await);
        assert_eq!(counters.0.hits, counters.1.hits);
        assert_eq!(counters.0.misses, counters.1.misses);
    }
    assert_eq!(format!("{our:?}"), format!("{theirs:?}"));
    println!("{CHANGES} changes in {:?}", begun.elapsed());
}
