//! Any node can be enabled and disabled at any agent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use edge_cache_host::gossip::GossipPool;
use edge_cache_host::sandbox::WallClock;
use edge_cache_host::{EdgeCacheError, EdgeCacheRegistry, Identity, NodeId, Store};
use edge_cache_tests::cluster::{Member, Settings, disk, until_it_may_decide};
use edge_cache_tests::reference_plugin;
use edge_cache_tests::wait::until;

/// Maximum time for a cluster to agree.
const AGREED_WITHIN: Duration = Duration::from_secs(20);
/// Maximum time until a dead member is detected and forgotten.
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(60);

async fn start(node_id: NodeId, seeds: &[&Member]) -> Member {
    start_with(Settings::new(node_id, seeds)).await
}

async fn start_with(mut settings: Settings) -> Member {
    settings.gossip.dead_node_grace_period = Duration::from_secs(10);
    Member::start(reference_plugin().unwrap(), settings)
        .await
        .unwrap()
}

async fn meet(members: &[&Member]) {
    until("the members meet", AGREED_WITHIN, || async {
        let met: Vec<_> = members
            .iter()
            .map(|member| member.pool.peers().len())
            .collect();
        let all = met.iter().all(|peers| *peers == members.len() - 1);
        if all { Ok(()) } else { Err(met) }
    })
    .await;
}

async fn expect_list(members: &[&Member], expected: &[(NodeId, u64)]) {
    until(
        &format!("{expected:?} everywhere"),
        AGREED_WITHIN,
        || async {
            let lists: Vec<_> = members.iter().map(|member| member.listed()).collect();
            if lists.iter().all(|list| list == expected) {
                Ok(())
            } else {
                Err(lists)
            }
        },
    )
    .await;
}

async fn expect_disk(members: &[&Member], of: NodeId, expected: Option<&str>) {
    let what = format!("a disk of {expected:?} on node {of}");
    until(&what, AGREED_WITHIN, || async {
        let seen: Vec<_> = members
            .iter()
            .map(|member| member.label(of, "edge_cache_disk_mib"))
            .collect();
        if seen.iter().all(|seen| seen.as_deref() == expected) {
            Ok(())
        } else {
            Err(seen)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_outlives_the_agent_that_took_it() {
    let one = start(1, &[]).await;
    let two = start(2, &[&one]).await;
    let three = start(3, &[&one, &two]).await;
    meet(&[&one, &two, &three]).await;
    let with_three = two.pool.metrics().digest_bytes.get();

    one.registry.enable(3, disk(3_000)).await.unwrap();
    one.registry.enable(9, disk(9_000)).await.unwrap();
    expect_list(&[&one, &two, &three], &[(3, 3_000), (9, 9_000)]).await;
    expect_disk(&[&one, &two, &three], 3, Some("3000")).await;
    assert!(
        one.pool.self_info().labels.is_empty(),
        "node 1 says nothing"
    );

    one.crash().await;
    until("agent 1 is forgotten", FORGOTTEN_WITHIN, || async {
        let bytes = [&two, &three].map(|member| member.pool.metrics().digest_bytes.get());
        if bytes.iter().all(|bytes| *bytes < with_three) {
            Ok(())
        } else {
            Err((bytes, with_three))
        }
    })
    .await;
    let four = start(4, &[&two]).await;
    expect_list(&[&four], &[(3, 3_000), (9, 9_000)]).await;
    let effective = four.registry.decision(9).unwrap();
    assert_eq!((effective.decision.by, &effective.set_aside), (1, &None));

    two.registry.disable(3).await.unwrap();
    expect_list(&[&two, &three, &four], &[(9, 9_000)]).await;
    expect_disk(&[&two, &three, &four], 3, None).await;
    assert_eq!(
        four.registry.disable(3).await,
        Err(EdgeCacheError::NodeNotFound(3)),
        "a second disable, at any agent"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_later_decision_wins_wherever_it_is_taken() {
    let one = start(1, &[]).await;
    let two = start(2, &[&one]).await;
    meet(&[&one, &two]).await;
    for turn in 1..=10 {
        let (at, other) = if turn % 2 == 0 {
            (&one, &two)
        } else {
            (&two, &one)
        };
        at.registry.enable(7, disk(turn)).await.unwrap();
        expect_list(&[at, other], &[(7, turn)]).await;
        other.registry.disable(7).await.unwrap();
        expect_list(&[at, other], &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_are_local_to_an_agent_and_restart_with_the_node() {
    let one = start(1, &[]).await;
    let two = start(2, &[&one]).await;
    meet(&[&one, &two]).await;
    let hits = |hits| edge_cache_host::EdgeCacheStats { hits, misses: 0 };
    one.registry.enable(7, disk(1)).await.unwrap();
    expect_list(&[&two], &[(7, 1)]).await;
    one.registry.add_stats(7, hits(1)).await.unwrap();
    two.registry.add_stats(7, hits(2)).await.unwrap();
    two.registry.enable(8, disk(8)).await.unwrap();
    expect_list(&[&one], &[(7, 1), (8, 8)]).await;
    assert_eq!(
        (one.registry.stats(7), two.registry.stats(7)),
        (hits(1), hits(2))
    );
    two.registry.enable(7, disk(2)).await.unwrap();
    expect_list(&[&one, &two], &[(7, 2), (8, 8)]).await;
    assert_eq!(
        (one.registry.stats(7), two.registry.stats(7)),
        (hits(0), hits(0))
    );
}

/// A clock that a test sets, in milliseconds beside one that is a day behind the system's.
#[derive(Clone, Default)]
struct Ahead(Arc<AtomicU64>);

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Ahead {
    fn clock(&self) -> WallClock {
        let ahead = self.clone();
        WallClock::new(move || {
            SystemTime::now() - DAY + Duration::from_millis(ahead.0.load(Ordering::Relaxed))
        })
    }

    fn set(&self, ahead: Duration) {
        let ms = u64::try_from(ahead.as_millis()).unwrap();
        self.0.store(ms, Ordering::Relaxed);
    }
}

/// Two agents that know each other, and the clock of the first.
async fn two_of_whom_one_is(set: Duration) -> (Ahead, Member, Member) {
    let ahead = Ahead::default();
    ahead.set(set);
    let mut settings = Settings::new(1, &[]);
    settings.clock = ahead.clock();
    let one = start_with(settings).await;
    let two = start(2, &[&one]).await;
    meet(&[&one, &two]).await;
    (ahead, one, two)
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_of_a_clock_that_is_ahead_are_effective_at_once_and_can_be_changed() {
    for by in [HOUR, 3 * 365 * DAY] {
        let (ahead, one, two) = two_of_whom_one_is(DAY + by).await;
        one.registry.enable(7, disk(1)).await.unwrap();
        one.registry.enable(8, disk(1)).await.unwrap();
        two.registry.enable(9, disk(9)).await.unwrap();
        expect_list(&[&one, &two], &[(7, 1), (8, 1), (9, 9)]).await;

        ahead.set(DAY);
        one.registry.enable(7, disk(2)).await.unwrap();
        expect_list(&[&one, &two], &[(7, 2), (8, 1), (9, 9)]).await;
        two.registry.disable(8).await.unwrap();
        two.registry.enable(7, disk(3)).await.unwrap();
        expect_list(&[&one, &two], &[(7, 3), (9, 9)]).await;
        // Decisions about other nodes follow the clock again.
        one.registry.enable(6, disk(6)).await.unwrap();
        let at = one.registry.decision(6).unwrap().decision.at.time();
        assert!(at <= SystemTime::now(), "{at:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_starts_with_a_slow_clock_changes_what_it_decided_before() {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identity {
        node_id: Some(1),
        cluster_id: "cluster".to_string(),
    };
    let open = || Store::open(directory.path(), identity.clone()).unwrap();
    let two = start(2, &[]).await;
    let mut settings = Settings::new(1, &[&two]);
    settings.store = Some(open());
    let one = start_with(settings.clone()).await;
    meet(&[&one, &two]).await;
    one.registry.enable(7, disk(1)).await.unwrap();
    one.registry.enable(8, disk(1)).await.unwrap();
    expect_list(&[&one, &two], &[(7, 1), (8, 1)]).await;
    // The registry's thread drops the store.
    settings.store = None;
    one.crash().await;

    // It decides before it hears that another agent carries its decisions.
    let ahead = Ahead::default();
    ahead.set(DAY - HOUR);
    let mut settings = Settings::new(1, &[]);
    settings.clock = ahead.clock();
    settings.store = Some(open());
    let one = start_with(settings).await;
    one.registry.disable(7).await.unwrap();
    one.registry.enable(8, disk(2)).await.unwrap();
    let three = start(3, &[&one, &two]).await;
    expect_list(&[&one, &two, &three], &[(8, 2)]).await;
    ahead.set(DAY);
    two.registry.disable(8).await.unwrap();
    expect_list(&[&one, &two, &three], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_without_data_decides_after_it_has_merged_what_stands() {
    const NODES: usize = 3_000;
    let one = start(1, &[]).await;
    let two = start(2, &[&one]).await;
    let record = r#"{"op":"enable","capacity":{"cpu_cores":1,"ram_mib":1,"disk_mib":5},"enabled_at_ms":1,"at":1,"by":1}"#;
    let records = (10..).take(NODES).map(|id| (id, Some(record.to_string())));
    one.pool.publish_decisions(records);
    until("agent 2 has them", AGREED_WITHIN, || async {
        let nodes = two.registry.list_eligible().len();
        if nodes == NODES { Ok(()) } else { Err(nodes) }
    })
    .await;
    let mut gossip = Settings::new(3, &[&one]).gossip;
    gossip.join_timeout = Duration::from_secs(600);
    let pool = GossipPool::start(gossip).await.unwrap();
    until("they are here", AGREED_WITHIN, || async {
        let (join, pending) = (pool.joined().await, pool.pending_decisions());
        if pending == NODES {
            Ok(())
        } else {
            Err((join, pending))
        }
    })
    .await;
    let builder = EdgeCacheRegistry::builder(reference_plugin().unwrap()).gossip(pool.clone());
    let registry = builder.start().await.unwrap();
    until_it_may_decide(&registry, &pool, AGREED_WITHIN).await;
    assert_eq!(registry.list_eligible().len(), NODES);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_the_year_10209_is_ignored_and_breaks_nothing() {
    const MS_OF_10000: u64 = 253_402_300_800_000;
    const MS_OF_10209: u64 = 260_000_000_000_000;
    let one = start(1, &[]).await;
    let gossip = Settings::new(2, &[&one]).gossip;
    let sender = GossipPool::start(gossip).await.unwrap();
    let record = |enabled_at_ms: u64, at: u64| {
        format!(
            r#"{{"op":"enable","capacity":{{"cpu_cores":1,"ram_mib":1,"disk_mib":5}},"enabled_at_ms":{enabled_at_ms},"at":{at},"by":2}}"#
        )
    };
    sender.publish_decisions([
        (5, Some(record(1, MS_OF_10209 << 16))),
        (6, Some(record(MS_OF_10209, 1))),
        (7, Some(record(MS_OF_10000 - 1, (MS_OF_10000 << 16) - 1))),
    ]);
    expect_list(&[&one], &[(7, 5)]).await;
    assert_eq!(one.pool.metrics().bad_records.get(), 2);
    one.registry.enable(6, disk(6)).await.unwrap();
    one.registry.disable(6).await.unwrap();
    // No decision can follow the last timestamp, so it is not made.
    let refused = one.registry.disable(7).await.unwrap_err();
    assert_eq!(refused.kind(), "no-later-time", "{refused}");
    assert!(refused.to_string().contains("year 10000"), "{refused}");
    let plugin = reference_plugin().unwrap();
    one.registry.swap(plugin).await.unwrap();
    expect_list(&[&one], &[(7, 5)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_goes_back_does_not_lose_later_decisions() {
    let (ahead, one, two) = two_of_whom_one_is(DAY).await;
    one.registry.enable(7, disk(1)).await.unwrap();
    one.registry.enable(6, disk(1)).await.unwrap();
    expect_list(&[&one, &two], &[(6, 1), (7, 1)]).await;
    until("agent 2 carries both", AGREED_WITHIN, || async {
        let shared = [6, 7].map(|node_id| one.registry.is_replicated(node_id));
        if shared == [true; 2] {
            Ok(())
        } else {
            Err(shared)
        }
    })
    .await;

    // A day back, without decisions by other agents.
    ahead.set(Duration::ZERO);
    one.registry.disable(6).await.unwrap();
    expect_list(&[&one, &two], &[(7, 1)]).await;

    // Right, and back once more.
    ahead.set(DAY);
    two.registry.enable(8, disk(1)).await.unwrap();
    expect_list(&[&one, &two], &[(7, 1), (8, 1)]).await;
    ahead.set(Duration::ZERO);
    one.registry.enable(8, disk(2)).await.unwrap();
    one.registry.enable(7, disk(2)).await.unwrap();
    expect_list(&[&one, &two], &[(7, 2), (8, 2)]).await;
    one.registry.disable(8).await.unwrap();
    expect_list(&[&one, &two], &[(7, 2)]).await;
    // And right again.
    ahead.set(DAY);
    two.registry.disable(7).await.unwrap();
    expect_list(&[&one, &two], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_decided_last_outlives_an_agent_that_leaves() {
    let one = start(1, &[]).await;
    let two = start(2, &[&one]).await;
    meet(&[&one, &two]).await;
    one.registry.enable(7, disk(1)).await.unwrap();
    // As the agent ends on SIGTERM.
    one.registry.shutdown().await;
    one.pool.leave().await;
    expect_list(&[&two], &[(7, 1)]).await;
}
