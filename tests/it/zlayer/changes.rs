//! Changes and what they answer: as the native registry, and where the contract refuses more.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use edge_cache_host::zlayer::edge_cache::{
    EdgeCacheError, EdgeCacheNode, EdgeCacheRegistry, EdgeCacheStats, NodeCapacity,
};
use edge_cache_tests::seeds;
use fastrand::Rng;
use insta::assert_snapshot;

use super::capacity;

/// Number of changes in a random script.
const CHANGES: usize = 2_000;
/// Number of nodes in a random script: each change meets one that is registered, or not, about as often.
const NODES: u64 = 12;

/// Matches every error: a third variant would not compile.
fn kind(error: &EdgeCacheError) -> &'static str {
    match error {
        EdgeCacheError::Gossip(_) => "gossip",
        EdgeCacheError::NodeNotFound(_) => "not found",
    }
}

#[tokio::test]
async fn a_node_is_eligible_from_enable_to_disable() {
    let registry = EdgeCacheRegistry::default();
    assert!(registry.list_eligible().await.is_empty());
    let before = SystemTime::now() - Duration::from_millis(1);
    let offered = NodeCapacity {
        geo: Some("eu-central-1".to_owned()),
        ..capacity(512)
    };
    registry.enable(7, offered.clone()).await.unwrap();
    assert!(registry.is_enabled(7).await);
    assert!(!registry.is_enabled(8).await);
    let listed: Vec<EdgeCacheNode> = registry.list_eligible().await;
    let [node] = &listed[..] else {
        panic!("{listed:?}")
    };
    assert_eq!((node.node_id, &node.capacity), (7, &offered));
    assert!((before..=SystemTime::now()).contains(&node.enabled_at));

    registry.enable(7, capacity(64)).await.unwrap();
    let listed = registry.list_eligible().await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].capacity, capacity(64));

    registry.disable(7).await.unwrap();
    assert!(!registry.is_enabled(7).await);
    assert!(registry.list_eligible().await.is_empty());
}

#[tokio::test]
async fn an_unknown_node_cannot_be_disabled() {
    let registry = EdgeCacheRegistry::new();
    let error = registry.disable(99).await.unwrap_err();
    assert!(matches!(error, EdgeCacheError::NodeNotFound(99)));
    assert_eq!(kind(&error), "not found");
    assert_snapshot!(error, @"node 99 is not registered as edge-cache eligible");
}

#[tokio::test]
async fn counters_are_zero() {
    let registry = EdgeCacheRegistry::new();
    registry.enable(3, capacity(1)).await.unwrap();
    for node_id in [3, 999] {
        let EdgeCacheStats { hits, misses } = registry.stats(node_id).await;
        assert_eq!((hits, misses), (0, 0));
    }
}

#[tokio::test]
async fn clones_are_one_registry_and_others_are_apart() {
    fn shared<T: Clone + Debug + Send + Sync + 'static>(registry: &T) -> T {
        registry.clone()
    }
    let (registry, other) = (EdgeCacheRegistry::new(), EdgeCacheRegistry::new());
    shared(&registry).enable(3, capacity(1)).await.unwrap();
    assert!(registry.is_enabled(3).await);
    assert!(!other.is_enabled(3).await);
    other.disable(3).await.unwrap_err();
    assert_eq!(
        format!("{registry:?}"),
        "EdgeCacheRegistry { gossip_attached: false, .. }"
    );
}

#[tokio::test]
async fn what_the_contract_refuses_is_a_gossip_error_and_changes_nothing() {
    let registry = EdgeCacheRegistry::new();
    registry.enable(3, capacity(1)).await.unwrap();
    let before = registry.list_eligible().await;
    let in_geo = |geo: &str| NodeCapacity {
        geo: Some(geo.to_owned()),
        ..capacity(2)
    };
    let nothing = NodeCapacity {
        cpu_cores: 0,
        ram_mib: 0,
        ..capacity(0)
    };
    let mut texts = String::new();
    for refused in [
        nothing,
        in_geo(""),
        in_geo(&"x".repeat(65)),
        in_geo("a\u{202e}b"),
    ] {
        let error = registry.enable(3, refused).await.unwrap_err();
        assert_eq!(kind(&error), "gossip");
        texts.push_str(&format!("{error}\n"));
    }
    assert_eq!(registry.list_eligible().await, before);
    assert_snapshot!(texts, @r"
    gossip label push failed: invalid capacity: cpu_cores, ram_mib and disk_mib are all zero; at least one must not be
    gossip label push failed: invalid capacity: geo must be 1 to 64 bytes, got 0
    gossip label push failed: invalid capacity: geo must be 1 to 64 bytes, got 65
    gossip label push failed: invalid capacity: geo must be printable: no control characters and no direction marks
    ");
}

#[tokio::test]
async fn random_changes_give_the_answers_of_a_map() {
    for seed in seeds(0, 1, 20) {
        let mut rng = Rng::with_seed(seed);
        let registry = EdgeCacheRegistry::new();
        let mut map = BTreeMap::new();
        for _ in 0..CHANGES {
            let node_id = rng.u64(..NODES);
            if rng.bool() {
                let offered = capacity(rng.u64(1..));
                registry.enable(node_id, offered.clone()).await.unwrap();
                map.insert(node_id, offered);
            } else {
                let disabled = registry.disable(node_id).await;
                assert_eq!(disabled.is_ok(), map.remove(&node_id).is_some(), "{seed}");
            }
            let listed = registry.list_eligible().await.into_iter();
            let listed = listed.map(|node| (node.node_id, node.capacity));
            assert!(listed.eq(map.clone()), "{seed}");
            assert_eq!(
                registry.is_enabled(node_id).await,
                map.contains_key(&node_id)
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_many_callers_all_happen() {
    const CALLERS: u64 = 16;
    const EACH: u64 = 100;
    let registry = EdgeCacheRegistry::new();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let registry = registry.clone();
            tokio::spawn(async move {
                for change in 0..EACH {
                    registry.enable(caller * EACH + change, capacity(1)).await?;
                }
                registry.disable(caller * EACH).await
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    let listed = registry.list_eligible().await;
    let ids = listed.iter().map(|node| node.node_id);
    assert!(ids.eq((0..CALLERS * EACH).filter(|id| id % EACH != 0)));
}
