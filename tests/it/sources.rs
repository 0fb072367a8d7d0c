//! Absolute counters of sources: counted once over repeats, resets, lives of the entry, and restarts of the agent.

use std::time::Duration;

use edge_cache_tests::agent::{Agent, Answer, run_to_end};
use edge_cache_tests::wait::until;
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::gossip_node::{Node, meet, metric};

/// Beyond any of what is waited for here.
const SOON: Duration = Duration::from_secs(60);
const FAST: [&str; 2] = ["--gossip-interval", "200ms"];
const SOURCES_MAX: usize = 1_024;

fn path(node_id: u64, source: &str) -> String {
    format!("/api/v1/nodes/{node_id}/edge-cache/stats/sources/{source}")
}

async fn put(agent: &Agent, source: &str, hits: u64, misses: u64) -> Answer {
    let body = json!({"hits": hits, "misses": misses});
    let answer = agent.ask(Method::PUT, &path(1, source), Some(&body)).await;
    answer.unwrap()
}

/// Puts counters, and expects these totals of the node.
async fn expect_totals(agent: &Agent, source: &str, counters: (u64, u64), totals: (u64, u64)) {
    let answer = put(agent, source, counters.0, counters.1).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut expected = json!({"hits": totals.0, "misses": totals.1, "counted_by": 1});
    if totals != (0, 0) {
        let ratio = totals.0 as f64 / (totals.0 + totals.1) as f64;
        expected["hit_ratio"] = json!(ratio);
    }
    assert_eq!(answer.body, expected, "after {counters:?} of {source}");
    let shown = agent.get("/api/v1/nodes/1/edge-cache/stats").await;
    assert_eq!(shown.unwrap(), expected);
}

async fn change(agent: &Agent, method: Method) {
    let capacity = json!({"capacity": {"cpu_cores": 1, "ram_mib": 1, "disk_mib": 1}});
    let body = (method == Method::POST).then_some(&capacity);
    let entry = "/api/v1/nodes/1/edge-cache";
    let answer = agent.ask(method, entry, body).await.unwrap();
    assert_eq!(answer.status, 204, "{answer:?}");
}

#[tokio::test]
async fn a_source_counts_once_over_repeats_resets_lives_and_restarts() {
    let data = tempfile::tempdir().unwrap();
    let flags = [
        "--node-id",
        "1",
        "--data-dir",
        data.path().to_str().unwrap(),
    ];
    let agent = Agent::start(&flags).await.unwrap();
    let early = put(&agent, "a", 1, 1).await;
    assert_eq!(
        (early.status.as_u16(), &early.body["type"]),
        (404, &json!("/problems/node-not-found"))
    );
    change(&agent, Method::POST).await;
    // It may have run before the agent heard it.
    expect_totals(&agent, "a", (10, 5), (10, 5)).await;
    expect_totals(&agent, "a", (10, 5), (10, 5)).await;
    expect_totals(&agent, "a", (12, 5), (12, 5)).await;
    // Both counters have begun again, although one is higher than before.
    expect_totals(&agent, "a", (3, 6), (15, 11)).await;
    expect_totals(&agent, "a", (3, 6), (15, 11)).await;
    expect_totals(&agent, "a", (0, 0), (15, 11)).await;
    expect_totals(&agent, "a", (3, 0), (18, 11)).await;
    expect_totals(&agent, "b", (100, 0), (118, 11)).await;
    let more = json!({"hits": 1, "misses": 1});
    let stats = "/api/v1/nodes/1/edge-cache/stats";
    let added = agent.ask(Method::POST, stats, Some(&more)).await.unwrap();
    assert_eq!(added.body["hits"], 119, "both ways add");

    // A new life of the entry begins at zero, and what was counted before is not counted again.
    change(&agent, Method::POST).await;
    expect_totals(&agent, "a", (3, 0), (0, 0)).await;
    expect_totals(&agent, "a", (4, 0), (1, 0)).await;

    agent.kill().await.unwrap();
    let agent = Agent::start(&flags).await.unwrap();
    expect_totals(&agent, "a", (4, 0), (1, 0)).await;
    expect_totals(&agent, "b", (100, 1), (1, 1)).await;

    // Of a disabled node nothing is taken; what its cache served meanwhile counts when it is enabled again.
    change(&agent, Method::DELETE).await;
    assert_eq!(put(&agent, "a", 5, 0).await.status, 404);
    change(&agent, Method::POST).await;
    expect_totals(&agent, "a", (9, 0), (5, 0)).await;
    expect_totals(&agent, "a", (u64::MAX, 0), (u64::MAX - 4, 0)).await;
    expect_totals(&agent, "b", (u64::MAX, 1), (u64::MAX, 0)).await;
}

#[tokio::test]
async fn a_wrong_name_a_wrong_body_and_a_source_too_many_are_refused() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    change(&agent, Method::POST).await;
    let long = "n".repeat(65);
    for name in [
        "..a", ".a", "-", "a%20b", "a%2fb", "%ff", "%00", "\u{e9}", &*long,
    ] {
        let answer = put(&agent, name, 1, 1).await;
        assert_eq!(answer.status, 400, "{name}: {answer:?}");
        assert_eq!(
            answer.body["type"], "/problems/invalid-source",
            "{answer:?}"
        );
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(
            detail.contains("64 letters, digits") && detail.len() < 250,
            "{detail}"
        );
    }
    assert_eq!(put(&agent, "", 1, 1).await.status, 404);
    for body in [
        json!({"hits": 1}),
        json!({"hits": -1, "misses": 0}),
        json!({"hits": 1.5, "misses": 0}),
        json!({"hits": 1, "misses": 0, "more": 1}),
        json!([1, 2]),
    ] {
        let answer = agent.ask(Method::PUT, &path(1, "a"), Some(&body)).await;
        assert_eq!(answer.unwrap().status, 422, "{body}");
    }
    for number in 0..SOURCES_MAX {
        let answer = put(&agent, &format!("cache-{number}"), 1, 0).await;
        assert_eq!(answer.status, 200, "{number}: {answer:?}");
    }
    let answer = put(&agent, "another", 1, 0).await;
    assert_eq!(answer.status, 409, "{answer:?}");
    assert_eq!(answer.body["type"], "/problems/too-many-sources");
    let again = put(&agent, "cache-7", 2, 0).await;
    assert_eq!(again.body["hits"], SOURCES_MAX + 1, "{again:?}");
}

#[tokio::test]
async fn only_a_nodes_own_agent_takes_its_sources_and_every_agent_shows_the_hit_ratio() {
    let one = Node::start(1, &FAST).await.unwrap();
    let seed = one.gossip.to_string();
    let args = [&FAST[..], &["--seed", &seed]].concat();
    let two = Node::start(2, &args).await.unwrap();
    meet(&[&one, &two], SOON).await;
    for name in ["edge_cache_hits_total", "edge_cache_misses_total"] {
        assert_eq!(metric(&two, name).await, 0.0, "{name}");
    }
    two.enable(1).await;
    // No agent lives on node 9: the asked one counts.
    let capacity = json!({"capacity": {"cpu_cores": 1, "ram_mib": 1, "disk_mib": 1}});
    let nine = "/api/v1/nodes/9/edge-cache";
    assert_eq!(
        one.ask(Method::POST, nine, Some(&capacity)).await.status,
        204
    );
    let counters = json!({"hits": 3, "misses": 1});
    let put = async |at: &Node, node_id: u64| {
        at.ask(Method::PUT, &path(node_id, "cache"), Some(&counters))
            .await
    };
    let elsewhere = put(&one, 2).await;
    assert_eq!(elsewhere.status, 409, "{elsewhere:?}");
    assert_eq!(elsewhere.body["type"], "/problems/counted-elsewhere");
    for _ in 0..2 {
        let own = json!({"hits": 3, "misses": 1, "counted_by": 2, "hit_ratio": 0.75});
        assert_eq!(put(&two, 2).await.body, own);
        let agentless = json!({"hits": 3, "misses": 1, "counted_by": 1, "hit_ratio": 0.75});
        assert_eq!(put(&one, 9).await.body, agentless);
    }
    assert_eq!(metric(&two, "edge_cache_hits_total").await, 3.0);
    assert_eq!(metric(&two, "edge_cache_misses_total").await, 1.0);
    assert_eq!(
        metric(&one, "edge_cache_hits_total").await,
        0.0,
        "its own node's"
    );

    let list = "/api/v1/edge-cache/nodes";
    let before = one.ask(Method::GET, list, None).await.body;
    let ratio_of = |list: &Value, id: u64| {
        let nodes = list["nodes"].as_array().unwrap();
        let node = nodes.iter().find(|node| node["node_id"] == id);
        node.and_then(|node| node.get("hit_ratio").cloned())
    };
    assert_eq!(ratio_of(&before, 9), Some(json!(0.75)));
    until("the ratio in the lists", SOON, || async {
        let lists = [
            one.ask(Method::GET, list, None).await.body,
            two.ask(Method::GET, list, None).await.body,
        ];
        let shown = lists.each_ref().map(|list| ratio_of(list, 2));
        let expected = Some(json!(0.75));
        if shown == [expected.clone(), expected] {
            Ok(())
        } else {
            Err(shown)
        }
    })
    .await;
    let address = one.http.to_string();
    let listed = run_to_end(&["nodes", "--addr", &address]).await;
    let table = listed.unwrap().stdout;
    assert!(
        table.contains("hit ratio") && table.contains("75.0 %"),
        "{table}"
    );
    // While it is silent, it may be back with its counters at any moment.
    two.signal(Signal::KILL);
    let members = async || {
        let path = "/api/v1/cluster/members?status=failed";
        let answer = one.ask(Method::GET, path, None).await;
        answer.body["members"].as_array().map_or(0, Vec::len)
    };
    until("the failure", SOON, async || match members().await {
        1 => Ok(()),
        failed => Err(failed),
    })
    .await;
    let silent = put(&one, 2).await;
    assert_eq!(silent.body["type"], "/problems/counted-elsewhere");
    let forget = "/api/v1/cluster/gossip/peers/2";
    assert_eq!(one.ask(Method::DELETE, forget, None).await.status, 204);
    let agentless = put(&one, 2).await;
    assert_eq!(agentless.status, 200, "{agentless:?}");
}
