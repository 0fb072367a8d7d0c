//! Registries at the limit `nodes_max`: what is refused, and what all agents choose alike.

use std::sync::Arc;
use std::time::Duration;

use edge_cache_host::gossip::{GossipPool, PeerInfo};
use edge_cache_host::sandbox::{Plugin, PluginConfig};
use edge_cache_host::{
    EdgeCacheError, EdgeCacheRegistry, EffectiveDecision, Identity, Limits, NodeId, Op, SetAside,
    Store,
};
use edge_cache_tests::cluster::{Member, Settings, disk};
use edge_cache_tests::component::{hostile, reference_plugin_with};
use edge_cache_tests::wait::until;
use edge_cache_tests::{long_tests, reference_plugin};

/// Maximum time for a cluster to agree.
const AGREED_WITHIN: Duration = Duration::from_secs(20);
/// A record of a peer.
const RECORD: &str = r#"{"op":"enable","capacity":{"cpu_cores":1,"ram_mib":1,"disk_mib":5},"enabled_at_ms":1,"at":1,"by":2}"#;
const FULL: EdgeCacheError = EdgeCacheError::Full { limit: 3 };

fn plugin(limits: Limits) -> Plugin {
    let config = PluginConfig {
        limits,
        ..PluginConfig::default()
    };
    reference_plugin_with(config).unwrap()
}

/// The reference in a registry of at most so many nodes.
fn at_most(nodes_max: usize) -> Plugin {
    plugin(Limits {
        nodes_max,
        ..Limits::default()
    })
}

async fn start(node_id: NodeId, seeds: &[&Member]) -> Member {
    Member::start(at_most(3), Settings::new(node_id, seeds))
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
    sender
        .publish_decisions((100..100 + RECORDS).map(|node_id| (node_id, Some(RECORD.to_string()))));
    expect(&[&one], &[100, 101, 102]).await;
    sender.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_remembered_is_heard_again_when_there_is_room() {
    let one = start(1, &[]).await;
    let sender = GossipPool::start(Settings::new(2, &[&one]).gossip)
        .await
        .unwrap();
    sender.publish_decisions((11..=19).map(|node_id| (node_id, Some(RECORD.to_string()))));
    let aside = || {
        let set_aside = one.registry.set_aside();
        let full = |it: &Arc<EffectiveDecision>| it.set_aside == Some(SetAside::Full);
        assert!(set_aside.iter().all(full), "{set_aside:?}");
        Vec::from_iter(set_aside.iter().map(|it| it.decision.node_id))
    };
    let expect = async |listed: [NodeId; 3], set_aside: [NodeId; 3]| {
        until("the lowest nodes", AGREED_WITHIN, || async {
            let seen = (ids(&one), aside());
            let is_right = seen == (listed.to_vec(), set_aside.to_vec());
            is_right.then_some(()).ok_or(seen)
        })
        .await;
    };
    expect([11, 12, 13], [14, 15, 16]).await;
    assert_eq!(one.registry.enable(17, disk(1)).await, Err(FULL));
    one.registry.disable(12).await.unwrap();
    expect([11, 13, 14], [15, 16, 17]).await;
    // Who is set aside can be disabled too.
    one.registry.disable(16).await.unwrap();
    expect([11, 13, 14], [15, 17, 18]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_was_lowered_sets_the_highest_nodes_aside_until_it_is_raised() {
    let data = tempfile::tempdir().unwrap();
    let start = async |nodes_max: usize| {
        let identity = Identity {
            node_id: Some(1),
            cluster_id: "cluster".to_string(),
        };
        let mut settings = Settings::new(1, &[]);
        settings.store = Some(Store::open(data.path(), identity).unwrap());
        Member::start(at_most(nodes_max), settings).await.unwrap()
    };
    let one = start(3).await;
    for node_id in [1, 2, 3] {
        one.registry.enable(node_id, disk(node_id)).await.unwrap();
    }
    one.crash().await;
    let one = start(2).await;
    assert_eq!(ids(&one), [1, 2]);
    let counts = one.registry.decision_counts();
    assert_eq!((counts.enabled, counts.full), (3, 1));
    assert_eq!(one.registry.status().restarts, 0);
    one.crash().await;
    let one = start(3).await;
    assert_eq!(one.listed(), [(1, 1), (2, 2), (3, 3)]);
    assert_eq!(one.registry.set_aside(), []);
}

fn failing_plugin() -> Plugin {
    let bytes = std::fs::read(hostile().unwrap()).unwrap();
    let behaviour = ("behaviour".to_string(), "trap@apply".to_string());
    let config = PluginConfig {
        settings: [behaviour].into(),
        ..PluginConfig::default()
    };
    Plugin::from_bytes(&bytes, config).unwrap()
}

/// The plugin traps on the decision each time. Nothing else notices.
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_on_which_the_plugin_fails_is_set_aside_and_tried_again_after_a_minute() {
    let failing = failing_plugin();
    let one = Member::start(failing, Settings::new(1, &[])).await.unwrap();
    let two = start(2, &[&one]).await;
    two.registry.enable(666, disk(1)).await.unwrap();
    two.registry.enable(7, disk(1)).await.unwrap();
    expect(&[&one], &[7]).await;
    let failed = until("a failure", AGREED_WITHIN, || async {
        let set_aside = one.registry.set_aside();
        match set_aside.first().and_then(|it| it.set_aside.clone()) {
            Some(SetAside::Failed(reason)) => Ok(reason),
            other => Err(other),
        }
    })
    .await;
    assert!(failed.starts_with("apply trapped"), "{failed}");
    assert_eq!(one.registry.status().restarts, 1);
    if long_tests() {
        let within = Duration::from_secs(90);
        until("another attempt", within, || async {
            match one.registry.status().restarts {
                1 => Err(1),
                restarts => Ok(restarts),
            }
        })
        .await;
    }
    // A newer decision is tried at once: the guest removes the node only in the registry's eyes.
    two.registry.disable(666).await.unwrap();
    until("the disabled node", AGREED_WITHIN, || async {
        let effective = one.registry.decision(666).unwrap();
        match (&effective.decision.op, &effective.set_aside) {
            (Op::Disable {}, None) => Ok(()),
            _ => Err(effective),
        }
    })
    .await;
}
