//! Registries at the limit `nodes_max`: what is refused, and what all agents choose alike.

use std::time::Duration;

use edge_cache_host::gossip::{GossipPool, PeerInfo};
use edge_cache_host::sandbox::{Plugin, PluginConfig};
use edge_cache_host::{EdgeCacheError, EdgeCacheRegistry, Limits, NodeId};
use edge_cache_tests::cluster::{Member, Settings, disk};
use edge_cache_tests::component::reference_plugin_with;
use edge_cache_tests::reference_plugin;
use edge_cache_tests::wait::until;

/// Maximum time for a cluster to agree.
const AGREED_WITHIN: Duration = Duration::from_secs(20);
const FULL: EdgeCacheError = EdgeCacheError::Full { limit: 3 };

fn plugin(limits: Limits) -> Plugin {
    let config = PluginConfig {
        limits,
        ..PluginConfig::default()
    };
    reference_plugin_with(config).unwrap()
}

/// The reference in a registry of at most three nodes.
fn three() -> Plugin {
    plugin(Limits {
        nodes_max: 3,
        ..Limits::default()
    })
}

async fn start(node_id: NodeId, seeds: &[&Member]) -> Member {
    Member::start(three(), Settings::new(node_id, seeds))
        .await
        .unwrap()
}

fn ids(member: &Member) -> Vec<NodeId> {
    let listed = member.listed().into_iter();
    listed.map(|(node_id, _)| node_id).collect()
}

async fn expect(members: &[&Member], expected: &[NodeId]) {
    until(&format!("{expected:?}"), AGREED_WITHIN, || async {
        let lists: Vec<_> = members.iter().map(|member| ids(member)).collect();
        if lists.iter().all(|list| list == expected) {
            Ok(())
        } else {
            Err(lists)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_disabled_makes_room_for_another() {
    let one = start(1, &[]).await;
    for node_id in 1..=3 {
        one.registry.enable(node_id, disk(1)).await.unwrap();
    }
    assert_eq!(one.registry.enable(4, disk(1)).await, Err(FULL));
    one.registry.enable(2, disk(2)).await.unwrap();
    one.registry.disable(1).await.unwrap();
    one.registry.enable(4, disk(1)).await.unwrap();
    assert_eq!(ids(&one), [2, 3, 4]);
    assert_eq!(one.registry.enable(1, disk(1)).await, Err(FULL));
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_pairs_of_enable_and_disable_do_not_end_registration() {
    let registry = EdgeCacheRegistry::builder(reference_plugin().unwrap())
        .standalone(PeerInfo::placeholder(1))
        .start()
        .await
        .unwrap();
    for node_id in 0..20_000 {
        registry.enable(node_id, disk(1)).await.unwrap();
        registry.disable(node_id).await.unwrap();
    }
    registry.enable(20_000, disk(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_that_merge_at_the_limit_choose_the_lowest_nodes() {
    let one = start(1, &[]).await;
    for node_id in [5, 6, 7] {
        one.registry.enable(node_id, disk(1)).await.unwrap();
    }
    // Nobody knows it before the seed of the next.
    let two = start(2, &[]).await;
    for node_id in [3, 6, 8] {
        two.registry.enable(node_id, disk(2)).await.unwrap();
    }
    let three = start(3, &[&one, &two]).await;
    let all = [&one, &two, &three];
    expect(&all, &[3, 5, 6]).await;
    // Who stands behind takes the place of who goes.
    two.registry.disable(5).await.unwrap();
    expect(&all, &[3, 6, 7]).await;
    one.registry.disable(8).await.unwrap();
    three.registry.disable(3).await.unwrap();
    expect(&all, &[6, 7]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_beyond_all_limits_neither_fill_the_registry_nor_keep_the_agent_busy() {
    const RECORDS: u64 = 150_000;
    let one = start(1, &[]).await;
    let sender = GossipPool::start(Settings::new(2, &[&one]).gossip)
        .await
        .unwrap();
    sender.publish_decisions((100..100 + RECORDS).map(|node_id| {
        let record = r#"{"op":"enable","capacity":{"cpu_cores":1,"ram_mib":1,"disk_mib":5},"enabled_at_ms":1,"at":1,"by":2}"#;
        (node_id, Some(record.to_string()))
    }));
    expect(&[&one], &[100, 101, 102]).await;
    sender.shutdown().await;
}
