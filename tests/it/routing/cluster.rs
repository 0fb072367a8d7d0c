use std::collections::BTreeSet;
use std::time::Duration;

use edge_cache_host::gossip::PeerInfo;
use edge_cache_host::sandbox::PluginConfig;
use edge_cache_host::{EdgeCacheRegistry, NodeCapacity, NodeId};
use edge_cache_tests::cluster::{Member, Settings, disk};
use edge_cache_tests::component::reference_plugin_with;
use edge_cache_tests::reference_plugin;
use edge_cache_tests::wait::until;

use super::routes;

const MEMBERS: NodeId = 10;
const KEYS: usize = 10_000;
/// Maximum time for a cluster to agree.
const AGREED_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_node_on_its_own_routes_to_itself_while_it_is_eligible() {
    let plugin = reference_plugin().unwrap();
    let builder = EdgeCacheRegistry::builder(plugin).standalone(PeerInfo::placeholder(7));
    let registry = builder.start().await.unwrap();
    let routed = |expected: &'static [NodeId]| {
        let registry = registry.clone();
        async move {
            until("the route", AGREED_WITHIN, || async {
                let nodes = registry.route(b"key", 3, None);
                if *nodes == *expected {
                    Ok(())
                } else {
                    Err(nodes)
                }
            })
            .await;
        }
    };
    routed(&[]).await;
    // Another node's labels are shown by its own agent, of which there is none.
    registry.enable(8, disk(500_000)).await.unwrap();
    registry.enable(7, disk(500_000)).await.unwrap();
    routed(&[7]).await;
    let table = registry.router().unwrap().table();
    assert_eq!(table.candidate(7).unwrap().weight, 488, "disk in GiB");
    registry.disable(7).await.unwrap();
    routed(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_without_a_node_routes_nowhere() {
    let builder = EdgeCacheRegistry::builder(reference_plugin().unwrap());
    let registry = builder.start().await.unwrap();
    registry.enable(7, disk(500_000)).await.unwrap();
    assert!(registry.router().is_none());
    assert!(registry.route(b"key", 3, None).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_members_agree_on_every_key_before_and_after_one_dies() {
    let mut members: Vec<Member> = Vec::new();
    for node_id in 1..=MEMBERS {
        let seeds: Vec<_> = members.iter().take(2).collect();
        let settings = Settings::new(node_id, &seeds);
        let plugin = reference_plugin().unwrap();
        members.push(Member::start(plugin, settings).await.unwrap());
    }
    for (node_id, member) in (1..).zip(&members) {
        until("the first exchange", AGREED_WITHIN, || async {
            let has_met = member.registry.may_decide();
            has_met.then_some(()).ok_or("not yet")
        })
        .await;
        let capacity = NodeCapacity {
            geo: Some(format!("eu-{}", node_id % 3)),
            ..disk(100_000 * node_id)
        };
        member.registry.enable(node_id, capacity).await.unwrap();
    }
    let everyone: BTreeSet<NodeId> = (1..=MEMBERS).collect();
    let before = agreed(&members, &everyone).await;
    for geo in ["eu-1", "eu-9", "us"] {
        let from = |member: &Member| member.registry.route(b"a key", 3, Some(geo));
        let first = from(&members[0]);
        assert!(members.iter().all(|member| from(member) == first), "{geo}");
    }

    let dead = 4;
    let victim = members.remove(usize::try_from(dead - 1).unwrap());
    victim.crash().await;
    let left = &everyone - &BTreeSet::from([dead]);
    let after = agreed(&members, &left).await;
    let mut moved = 0;
    for (before, after) in before.iter().zip(&after) {
        let mut expected: Vec<_> = before.clone();
        expected.retain(|node_id| *node_id != dead);
        assert_eq!(after[..expected.len()], expected, "the others move up");
        moved += usize::from(before[0] == dead);
    }
    assert!(moved > 0, "some keys were the dead node's");
}

/// Waits until all members route to exactly these nodes, and answers where all of them send each key.
async fn agreed(members: &[Member], nodes: &BTreeSet<NodeId>) -> Vec<Vec<NodeId>> {
    let what = format!("routes to {nodes:?}");
    until(&what, AGREED_WITHIN, || async {
        for member in members {
            let table = member.registry.router().unwrap().table();
            let seen: BTreeSet<_> = (0..=MEMBERS)
                .filter(|node_id| table.candidate(*node_id).is_some())
                .collect();
            if seen != *nodes {
                return Err((member.pool.node_id(), seen));
            }
        }
        Ok(())
    })
    .await;
    // A node's weight comes with its labels, all at once, so nothing is to follow.
    let expected = routes(&members[0].registry, KEYS, 3);
    for member in members {
        assert!(
            routes(&member.registry, KEYS, 3) == expected,
            "member {} routes as the first one",
            member.pool.node_id()
        );
    }
    expected
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_show_each_other_that_they_assess_by_other_settings() {
    let one = Member::start(reference_plugin().unwrap(), Settings::new(1, &[]));
    let one = one.await.unwrap();
    let two = Member::start(reference_plugin().unwrap(), Settings::new(2, &[&one]));
    let two = two.await.unwrap();
    let by_ram = reference_plugin_with(PluginConfig {
        settings: [("weight".to_string(), "ram".to_string())].into(),
        ..PluginConfig::default()
    });
    let by_ram = by_ram.unwrap();
    let three = Member::start(by_ram, Settings::new(3, &[&one, &two]));
    let three = three.await.unwrap();
    for (member, otherwise) in [(&one, &[3][..]), (&two, &[3]), (&three, &[1, 2])] {
        let what = format!("{otherwise:?} otherwise than {}", member.pool.node_id());
        until(&what, AGREED_WITHIN, || async {
            let seen = member.pool.policy_mismatches();
            if seen == *otherwise {
                Ok(())
            } else {
                Err(seen)
            }
        })
        .await;
    }
    three.pool.leave().await;
    until("agents that judge alike", AGREED_WITHIN, || async {
        let seen = (one.pool.policy_mismatches(), two.pool.policy_mismatches());
        if seen.0.is_empty() && seen.1.is_empty() {
            Ok(())
        } else {
            Err(seen)
        }
    })
    .await;
}
