//! Statements of the agent of a node about decisions: that it follows one, or why it refuses one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use edge_cache_host::gossip::GossipPool;
use edge_cache_host::sandbox::{Plugin, PluginConfig, WallClock};
use edge_cache_host::{EdgeCacheError, EdgeCacheRegistry, EdgeCacheStats, NodeCapacity, NodeId};
use edge_cache_tests::agent::Agent;
use edge_cache_tests::cluster::{Member, Settings, disk};
use edge_cache_tests::component::region;
use edge_cache_tests::reference_plugin;
use edge_cache_tests::wait::until;
use reqwest::Method;
use serde_json::{Value, json};

/// Maximum time for the agents of a cluster to agree.
const AGREED_WITHIN: Duration = Duration::from_secs(20);
const REGION: &str = "ap-south";

fn disk_in(geo: &str) -> NodeCapacity {
    NodeCapacity {
        geo: Some(geo.to_string()),
        ..disk(5)
    }
}

/// Node 2 runs a plugin with labels and rules of its own.
async fn two_plugins() -> (Member, Member) {
    let one = Member::start(reference_plugin().unwrap(), Settings::new(1, &[]));
    let one = one.await.unwrap();
    let config = PluginConfig {
        settings: BTreeMap::from([("regions".to_string(), REGION.to_string())]),
        ..PluginConfig::default()
    };
    let plugin = Plugin::from_file(region().unwrap(), config).unwrap();
    let two = Member::start(plugin, Settings::new(2, &[&one])).await;
    let two = two.unwrap();
    until("they meet", AGREED_WITHIN, || async {
        let met = [one.pool.peers().len(), two.pool.peers().len()];
        if met == [1, 1] { Ok(()) } else { Err(met) }
    })
    .await;
    (one, two)
}

async fn expect_advertised(at: &EdgeCacheRegistry, node_id: NodeId, expected: Option<bool>) {
    let what = format!("`advertised` {expected:?} of node {node_id}");
    until(&what, AGREED_WITHIN, || async {
        let seen = at.node(node_id).advertised();
        let listed = at.snapshot();
        let mut listed = listed.eligible();
        let listed = listed.find(|listed| listed.node.node_id == node_id);
        let listed = listed.map(|listed| listed.advertised);
        if seen == expected && listed.is_none_or(|listed| listed == expected) {
            Ok(())
        } else {
            Err((seen, listed))
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_another_plugin_follows_a_decision_or_says_why_it_does_not() {
    let (one, two) = two_plugins().await;
    one.registry.enable(2, disk_in(REGION)).await.unwrap();
    expect_advertised(&one.registry, 2, Some(true)).await;
    expect_advertised(&two.registry, 2, Some(true)).await;

    let outside = one.registry.enable(2, disk_in("us-east-1")).await;
    outside.unwrap();
    let refusal = until("the refusal travels", AGREED_WITHIN, || async {
        let state = one.registry.node(2);
        let refusal = state.refusal().map(str::to_string);
        refusal.ok_or(state)
    })
    .await;
    assert!(refusal.contains(REGION), "{refusal}");
    assert_eq!(one.registry.node(2).advertised(), Some(false));
    let labels = two.pool.self_info().labels.clone();
    assert!(!labels.is_empty(), "its labels are the former ones");

    // A decision that it follows ends the refusal, and a disabled node is gone.
    one.registry.enable(2, disk_in(REGION)).await.unwrap();
    // Its agent has not answered yet: what it refuses is the decision before.
    assert_eq!(one.registry.node(2).refusal(), None);
    expect_advertised(&one.registry, 2, Some(true)).await;
    assert_eq!(one.registry.node(2).refusal(), None);
    one.registry.disable(2).await.unwrap();
    until("node 2 is gone", AGREED_WITHIN, || async {
        let state = one.registry.node(2);
        let is_gone = state.is_gone() && state.advertised() == Some(false);
        if is_gone { Ok(()) } else { Err(state) }
    })
    .await;
    assert_eq!(one.label(2, "edge_cache"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_without_an_agent_follows_nothing() {
    let one = Member::start(reference_plugin().unwrap(), Settings::new(1, &[]));
    let one = one.await.unwrap();
    let gossip = Settings::new(2, &[&one]).gossip;
    let pool = GossipPool::start(gossip).await;
    let _two = pool.unwrap();
    one.registry.enable(2, disk(1)).await.unwrap();
    one.registry.enable(3, disk(1)).await.unwrap();
    expect_advertised(&one.registry, 2, None).await;
    expect_advertised(&one.registry, 3, Some(false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_has_heard_nobody_decides_nothing_and_misses_nothing() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut gossip = Settings::new(2, &[]).gossip;
    gossip.seeds = vec![silent.local_addr().unwrap().to_string()];
    let pool = GossipPool::start(gossip).await.unwrap();
    let builder = EdgeCacheRegistry::builder(reference_plugin().unwrap()).gossip(pool.clone());
    let registry = builder.start().await.unwrap();
    let not_joined = EdgeCacheError::NotJoined;
    assert_eq!(registry.enable(7, disk(1)).await, Err(not_joined.clone()));
    assert_eq!(registry.disable(7).await, Err(not_joined.clone()));
    let counted = registry.add_stats(7, EdgeCacheStats::default()).await;
    assert_eq!(counted, Err(not_joined.clone()));
    assert_eq!(registry.missing(7), not_joined);
    assert!(registry.decision(7).is_none() && !registry.may_decide());
}

#[tokio::test]
async fn before_it_has_heard_anybody_an_agent_answers_503_and_not_404() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let seed = silent.local_addr().unwrap().to_string();
    let flags = ["--node-id", "1", "--gossip-listen", "127.0.0.1:0", "--seed"];
    let agent = Agent::start(&[&flags[..], &[&seed]].concat())
        .await
        .unwrap();
    let path = "/api/v1/nodes/7/edge-cache";
    let capacity = json!({"capacity": {"cpu_cores": 1, "ram_mib": 1, "disk_mib": 1}});
    for request in [
        agent.request(Method::GET, path),
        agent.request(Method::DELETE, path),
        agent.request(Method::POST, path).json(&capacity),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()["retry-after"], "1");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["type"], "/problems/not-met");
        // ZLayer's client reads this member.
        assert_eq!(problem["error"], problem["detail"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_shows_that_its_decision_was_overruled_by_one_that_it_hears_late() {
    let plugin = || reference_plugin().unwrap();
    let ahead = Arc::new(AtomicU64::new(0));
    let seconds = ahead.clone();
    let mut settings = Settings::new(1, &[]);
    settings.clock = WallClock::new(move || {
        SystemTime::now() + Duration::from_secs(seconds.load(Ordering::Relaxed))
    });
    let one = Member::start(plugin(), settings).await.unwrap();
    let two = Member::start(plugin(), Settings::new(2, &[&one]))
        .await
        .unwrap();
    let overruled = |member: &Member, node_id| member.registry.node(node_id).overruled();
    let count = |member: &Member| member.registry.metrics().decisions_overruled.get();
    let follow = async |member: &Member, by| {
        until("the decision is heard", AGREED_WITHIN, || async {
            let decision = member.registry.decision(7);
            let is_there = decision.as_ref().is_some_and(|d| d.decision.by == by);
            if is_there { Ok(()) } else { Err(decision) }
        })
        .await;
    };
    one.registry.enable(7, disk(1)).await.unwrap();
    follow(&two, 1).await;
    assert_eq!(overruled(&two, 7), None, "it has decided nothing before");
    for disk_mib in [1, 2] {
        one.registry.enable(8, disk(disk_mib)).await.unwrap();
        until("another decision of node 1", AGREED_WITHIN, || async {
            let listed = two.listed();
            let is_there = listed.contains(&(8, disk_mib));
            if is_there { Ok(()) } else { Err(listed) }
        })
        .await;
    }
    assert_eq!((overruled(&two, 8), count(&two)), (None, 0));
    // Node 2 may know what it overrules: its decision is heard at once.
    two.registry.enable(7, disk(2)).await.unwrap();
    follow(&one, 2).await;
    assert_eq!((overruled(&one, 7), count(&one)), (None, 0));
    one.registry.enable(7, disk(3)).await.unwrap();
    let own = one.registry.decision(7).unwrap().decision.at;
    follow(&two, 1).await;
    // To the clock of node 1, the next decision is a minute old when it is heard.
    ahead.store(60, Ordering::Relaxed);
    two.registry.enable(7, disk(4)).await.unwrap();
    follow(&one, 2).await;
    assert_eq!((overruled(&one, 7), count(&one)), (Some(own), 1));
    assert_eq!((overruled(&two, 7), count(&two)), (None, 0));
    // A decision of its own ends that.
    one.registry.enable(7, disk(5)).await.unwrap();
    assert_eq!(overruled(&one, 7), None);
    follow(&two, 1).await;
    // Eleven minutes later, nobody waits for the result any more.
    ahead.store(12 * 60, Ordering::Relaxed);
    two.registry.enable(7, disk(6)).await.unwrap();
    follow(&one, 2).await;
    assert_eq!((overruled(&one, 7), count(&one)), (None, 1));
    // While the stamps of both are a minute ahead, those of a decision that knows the other are, too.
    one.registry.enable(7, disk(7)).await.unwrap();
    follow(&two, 1).await;
    ahead.store(11 * 60, Ordering::Relaxed);
    two.registry.enable(7, disk(8)).await.unwrap();
    follow(&one, 2).await;
    assert_eq!((overruled(&one, 7), count(&one)), (None, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nodes_own_agent_counts_and_all_agents_show_it() {
    let plugin = || reference_plugin().unwrap();
    let one = Member::start(plugin(), Settings::new(1, &[]))
        .await
        .unwrap();
    let two = Member::start(plugin(), Settings::new(2, &[&one]))
        .await
        .unwrap();
    let hits = |hits| EdgeCacheStats { hits, misses: 0 };
    for node_id in [2, 9] {
        one.registry.enable(node_id, disk(1)).await.unwrap();
    }
    expect_advertised(&one.registry, 2, Some(true)).await;
    let elsewhere = Err(EdgeCacheError::CountedElsewhere(2));
    assert_eq!(one.registry.add_stats(2, hits(1)).await, elsewhere);
    assert_eq!(two.registry.add_stats(2, hits(3)).await, Ok(hits(3)));
    // No agent lives on node 9: the asked one counts, by itself.
    assert_eq!(one.registry.add_stats(9, hits(5)).await, Ok(hits(5)));
    until("the counters travel", Duration::from_secs(40), || async {
        let seen = one.registry.stats(2);
        if seen == hits(3) { Ok(()) } else { Err(seen) }
    })
    .await;
    // However often it counts, its totals travel at most every 10 s.
    let (start, seen) = (Instant::now(), Mutex::new(BTreeSet::new()));
    until("some counting", AGREED_WITHIN, async || {
        two.registry.add_stats(2, hits(1)).await.unwrap();
        seen.lock().unwrap().insert(one.registry.stats(2).hits);
        let is_over = start.elapsed() > Duration::from_secs(5);
        is_over.then_some(()).ok_or("it counts")
    })
    .await;
    let seen = seen.into_inner().unwrap();
    let most = 2 + start.elapsed().as_secs() / 10;
    assert!(seen.len() as u64 <= most, "{seen:?}");
    assert!(one.registry.node(2).is_counted_elsewhere());
    assert!(!one.registry.node(9).is_counted_elsewhere());
    assert_eq!(two.registry.stats(9), hits(0));
    // Counters of a former life of the entry do not count for the next one.
    one.registry.enable(2, disk(2)).await.unwrap();
    assert_eq!(one.registry.stats(2), hits(0));
}

/// Runs `enable 2` at an agent, which waits for labels.
async fn enable(agent: &Agent, geo: &str) -> (Option<i32>, Value) {
    let at = agent.http.to_string();
    let command = format!(
        "enable 2 --cpu-cores 1 --ram-mib 1 --disk-mib 1 --geo {geo} --wait 20s --format json --addr {at}"
    );
    let words: Vec<&str> = command.split(' ').collect();
    let ended = edge_cache_tests::agent::run_to_end(&words).await.unwrap();
    let said = serde_json::from_str(&ended.stdout);
    (ended.code, said.unwrap_or(Value::String(ended.stderr)))
}

#[tokio::test]
async fn the_asker_of_another_agent_hears_that_a_node_follows_or_refuses() {
    let common = [
        "--gossip-interval",
        "100ms",
        "--gossip-listen",
        "127.0.0.1:0",
    ];
    let flags = [&["--node-id", "1"][..], &common].concat();
    let one = Agent::start(&flags).await.unwrap();
    let seed = one.gossip.unwrap().to_string();
    let setting = format!("regions={REGION}");
    let plugin = region().unwrap().to_str().unwrap();
    let own = [
        "--node-id",
        "2",
        "--seed",
        &seed,
        "--plugin",
        plugin,
        "--plugin-settings",
        &setting,
    ];
    let _two = Agent::start(&[&own[..], &common].concat()).await.unwrap();

    let (code, said) = enable(&one, REGION).await;
    assert_eq!((code, &said["advertised"]), (Some(0), &true.into()));
    let (code, said) = enable(&one, "us-east-1").await;
    assert_eq!(code, Some(6), "{said}");
    let reason = said["decision"]["refused_by_node"].as_str().unwrap();
    assert!(reason.contains(REGION) && reason.len() <= 128, "{said}");
    let shown = one.get("/api/v1/nodes/2/edge-cache").await.unwrap();
    assert_eq!(shown["decision"]["refused_by_node"], reason);
    assert_eq!(shown["advertised"], false);
}
