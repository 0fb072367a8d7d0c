use std::time::Duration;

use edge_cache_host::gossip::{GossipConfig, GossipPool, PeerInfo};
use edge_cache_host::labels::Labels;
use edge_cache_host::{EdgeCacheRegistry, Limits, NodeId, PEER_LABELS_MAX, PluginState};
use edge_cache_tests::cluster_of_one::capacity;
use edge_cache_tests::reference_plugin;
use edge_cache_tests::wait::until;

use crate::hostile;

/// The node on whose labels the hostile guest fails.
const DEADLY: NodeId = 666;
const HARMLESS: NodeId = 7;
const JUDGED_WITHIN: Duration = Duration::from_secs(20);

/// Starts a member with these labels.
async fn member(node_id: NodeId, labels: Labels, seeds: &[&GossipPool]) -> GossipPool {
    let info = PeerInfo {
        labels,
        ..PeerInfo::placeholder(node_id)
    };
    let mut config = GossipConfig::new(info, "judging", ([127, 0, 0, 1], 0).into());
    config.interval = Duration::from_millis(100);
    let seeds = seeds.iter();
    config.seeds = seeds
        .map(|pool| pool.advertise_addr().to_string())
        .collect();
    GossipPool::start(config).await.unwrap()
}

/// The labels of a cache. The reference component weighs it by its disk, the hostile guest by its cores.
fn cache(weight: u64) -> Labels {
    let labels = [
        ("edge_cache", "true".to_string()),
        ("edge_cache_cpu", weight.to_string()),
        ("edge_cache_ram_mib", "8192".to_string()),
        ("edge_cache_disk_mib", (weight * 1024).to_string()),
    ];
    labels.map(|(key, value)| (key.to_string(), value)).into()
}

async fn say(pool: &GossipPool, labels: Labels) {
    let info = PeerInfo {
        labels,
        ..PeerInfo::placeholder(pool.node_id())
    };
    pool.announce_self(info).await.unwrap();
}

/// Waits until keys go to these nodes, with these weights, after this number of failures.
async fn expect(registry: &EdgeCacheRegistry, failures: u64, nodes: &[(NodeId, u32)]) {
    let what = format!("{nodes:?} after {failures} failures");
    until(&what, JUDGED_WITHIN, || async {
        let table = registry.router().unwrap().table();
        let mut seen: Vec<_> = table.route(b"key", 8, None).to_vec();
        seen.sort_unstable();
        let weight = |node_id| table.candidate(node_id).unwrap().weight;
        let seen: Vec<_> = seen.into_iter().map(|id| (id, weight(id))).collect();
        let failed = registry.metrics().routing.failures.get();
        if seen == nodes && failed == failures {
            Ok(())
        } else {
            Err((seen, failed, registry.routing()))
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_that_the_component_fails_on_concern_no_other_node_and_not_the_registry() {
    let own = member(1, Labels::new(), &[]).await;
    let plugin = hostile::plugin("trap@assess", Limits::default()).unwrap();
    let builder = EdgeCacheRegistry::builder(plugin).gossip(own.clone());
    let registry = builder.start().await.unwrap();
    let deadly = member(DEADLY, cache(1), &[&own]).await;
    let harmless = member(HARMLESS, cache(2), &[&own]).await;
    expect(&registry, 1, &[(HARMLESS, 2)]).await;

    // The same labels are not assessed again, although others change.
    say(&harmless, cache(3)).await;
    expect(&registry, 1, &[(HARMLESS, 3)]).await;
    // Others are, once.
    say(&deadly, cache(4)).await;
    expect(&registry, 2, &[(HARMLESS, 3)]).await;
    say(&deadly, cache(1)).await;
    say(&harmless, cache(5)).await;
    expect(&registry, 2, &[(HARMLESS, 5)]).await;
    assert_eq!(registry.routing().unjudged, 1);
    let failure = registry.routing().last_failure.unwrap();
    assert!(failure.starts_with("assess trapped"), "{failure}");

    // The instance that holds the state has seen nothing of it.
    assert_eq!(registry.status().restarts, 0);
    assert_eq!(registry.status().state, PluginState::Running);
    registry.enable(9, capacity()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_stays_where_it_was_when_the_component_fails_on_its_new_labels() {
    let own = member(1, Labels::new(), &[]).await;
    // Fails on node 666 only when it shows a rack.
    let plugin = hostile::plugin("trap@assess-rack", Limits::default()).unwrap();
    let builder = EdgeCacheRegistry::builder(plugin).gossip(own.clone());
    let registry = builder.start().await.unwrap();
    let deadly = member(DEADLY, cache(1), &[&own]).await;
    expect(&registry, 0, &[(DEADLY, 1)]).await;

    let mut labels = cache(2);
    labels.insert("rack".to_string(), "b4".to_string());
    say(&deadly, labels).await;
    expect(&registry, 1, &[(DEADLY, 1)]).await;
    say(&deadly, cache(3)).await;
    expect(&registry, 1, &[(DEADLY, 3)]).await;
    deadly.leave().await;
    expect(&registry, 1, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_too_many_labels_is_no_candidate_and_not_bad() {
    let own = member(1, Labels::new(), &[]).await;
    let plugin = reference_plugin().unwrap();
    let builder = EdgeCacheRegistry::builder(plugin).gossip(own.clone());
    let registry = builder.start().await.unwrap();
    let mut labels = cache(1);
    labels.extend((labels.len()..PEER_LABELS_MAX).map(|n| (format!("other-{n}"), String::new())));
    let talkative = member(HARMLESS, labels.clone(), &[&own]).await;
    expect(&registry, 0, &[(HARMLESS, 1)]).await;

    labels.insert("one-more".to_string(), String::new());
    say(&talkative, labels).await;
    expect(&registry, 0, &[]).await;
    assert_eq!(registry.routing().unjudged, 1);
    assert_eq!(own.metrics().bad_records.get(), 0);
    assert_eq!(own.peers().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_kills_again_and_again_stays_as_it_was_and_holds_up_no_other() {
    let own = member(1, Labels::new(), &[]).await;
    let plugin = hostile::plugin("trap@assess-rack", Limits::default()).unwrap();
    let builder = EdgeCacheRegistry::builder(plugin).gossip(own.clone());
    let registry = builder.start().await.unwrap();
    let harmless = member(HARMLESS, cache(2), &[&own]).await;
    let deadly = member(DEADLY, cache(1), &[&own]).await;
    expect(&registry, 0, &[(HARMLESS, 2), (DEADLY, 1)]).await;

    // Killed again and again, the one waits; the other is judged all the same.
    for weight in 3..12 {
        let mut labels = cache(weight);
        labels.insert("rack".to_string(), format!("b{weight}"));
        say(&deadly, labels).await;
        say(&harmless, cache(weight)).await;
        let heavier = u32::try_from(weight).unwrap();
        until("the harmless node", JUDGED_WITHIN, || async {
            let table = registry.router().unwrap().table();
            let seen = [HARMLESS, DEADLY].map(|id| table.candidate(id).unwrap().weight);
            if seen == [heavier, 1] {
                Ok(())
            } else {
                Err(seen)
            }
        })
        .await;
    }
    let failures = registry.metrics().routing.failures.get();
    assert!(failures > 0, "{:?}", registry.routing());
    assert!(registry.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_judgement_does_not_hold_up_a_departure() {
    let own = member(1, Labels::new(), &[]).await;
    let plugin = hostile::plugin("loop@assess", Limits::default()).unwrap();
    let builder = EdgeCacheRegistry::builder(plugin).gossip(own.clone());
    let registry = builder.start().await.unwrap();
    let harmless = member(HARMLESS, cache(2), &[&own]).await;
    let _slow = member(DEADLY, cache(1), &[&own]).await;
    expect(&registry, 1, &[(HARMLESS, 2)]).await;
    harmless.leave().await;
    expect(&registry, 1, &[]).await;
    let failure = registry.routing().last_failure.unwrap();
    assert!(failure.starts_with("assess ran for longer"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_instance_has_been_through_is_not_held_against_a_member() {
    let own = member(1, Labels::new(), &[]).await;
    let plugin = hostile::plugin("trap-on-third@assess", Limits::default()).unwrap();
    let builder = EdgeCacheRegistry::builder(plugin).gossip(own.clone());
    let registry = builder.start().await.unwrap();
    let counting = member(DEADLY, cache(1), &[&own]).await;
    for weight in 2..30 {
        say(&counting, cache(weight)).await;
        let weight = u32::try_from(weight).unwrap();
        expect(&registry, 0, &[(DEADLY, weight)]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_not_whole_before_an_instance_has_judged_all_members() {
    let own = member(1, Labels::new(), &[]).await;
    let limits = Limits {
        memory_bytes: 65_536,
        ..Limits::default()
    };
    let plugin = hostile::plugin("trap@assess", limits).unwrap();
    let builder = EdgeCacheRegistry::builder(plugin).gossip(own.clone());
    let registry = builder.start().await.unwrap();
    let expect = async |is_whole, unjudged| {
        until("a judgement", JUDGED_WITHIN, || async {
            let routing = registry.routing();
            if (routing.is_whole, routing.unjudged) == (is_whole, unjudged) {
                Ok(())
            } else {
                Err(routing)
            }
        })
        .await;
    };
    expect(false, 1).await;
    let plugin = hostile::plugin("trap@assess", Limits::default()).unwrap();
    registry.swap(plugin).await.unwrap();
    expect(true, 0).await;
}
