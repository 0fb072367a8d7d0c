//! Agents whose registry is full, or that set decisions of others aside.

use edge_cache_tests::component::{hostile, region};
use edge_cache_tests::sse::Events;
use reqwest::Method;
use serde_json::json;

use super::cluster::{FAST, SOON, decide, expect_health, is_health};
use crate::gossip_node::{Node, meet, metric};

#[tokio::test]
async fn a_registry_says_once_that_it_is_nearly_full_and_that_it_is_full() {
    const NEARLY: &str = "the registry is 80 % full: `limits.nodes_max` is 5";
    const FULL: &str = "the registry is full: `limits.nodes_max` is 5";
    let node = Node::start(1, &["--limits-nodes-max", "5"]).await.unwrap();
    let log = node.log_handle();
    let mut events = Events::follow(node.http, None).await.unwrap();
    for node_id in 1..=3 {
        decide(&node, Method::POST, node_id).await;
    }
    let health = expect_health(&node, 200, "").await;
    assert_eq!(health["warnings"], json!([]));
    for (node_id, said) in [(4, NEARLY), (5, FULL)] {
        decide(&node, Method::POST, node_id).await;
        let health = expect_health(&node, 200, said).await;
        assert_eq!(health["warnings"].as_array().unwrap().len(), 1, "{health}");
        assert_eq!(metric(&node, "edge_cache_warnings").await, 1.0);
        assert_eq!(metric(&node, "edge_cache_nodes").await, node_id as f64);
        assert_eq!(metric(&node, "edge_cache_nodes_max").await, 5.0);
        while !is_health(&events.next().await.unwrap().unwrap(), true, said) {}
        log.expect(said, SOON).await;
    }
    let path = "/api/v1/nodes/6/edge-cache";
    let body = json!({"capacity": {"cpu_cores": 1, "ram_mib": 1, "disk_mib": 1}});
    let refused = node.ask(Method::POST, path, Some(&body)).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    assert_eq!(refused.body["type"], "/problems/registry-full");
    for node_id in [4, 5] {
        decide(&node, Method::DELETE, node_id).await;
    }
    while !is_health(
        &events.next().await.unwrap().unwrap(),
        true,
        "\"warnings\":[]",
    ) {}
    assert_eq!(metric(&node, "edge_cache_warnings").await, 0.0);
    for said in [NEARLY, FULL] {
        assert_eq!(log.read().matches(said).count(), 1, "{}", log.read());
    }
}

#[tokio::test]
async fn a_decision_that_is_set_aside_is_in_readiness_metric_log_and_answer() {
    let hostile = hostile().unwrap().to_str().unwrap();
    let region = region().unwrap().to_str().unwrap();
    let cases: [(&str, &str, &[&str]); 3] = [
        (
            "refused",
            "refused by this agent's plugin",
            &["--plugin", region, "--plugin-settings", "regions=ap-south"],
        ),
        (
            "failed",
            "this agent's plugin failed, and is asked again",
            &[
                "--plugin",
                hostile,
                "--plugin-settings",
                "behaviour=trap@apply",
            ],
        ),
        (
            "full",
            "there are more than `limits.nodes_max` nodes",
            &["--limits-nodes-max", "1"],
        ),
    ];
    let one = Node::start(1, &FAST).await.unwrap();
    let seed = one.gossip.to_string();
    for node_id in [5, 666] {
        decide(&one, Method::POST, node_id).await;
    }
    for (reason, said, args) in cases {
        let args = [&FAST[..], &["--seed", &seed], args].concat();
        let two = Node::start(2, &args).await.unwrap();
        meet(&[&one, &two], SOON).await;
        expect_health(&two, 200, said).await;
        for other in ["refused", "failed", "full"] {
            let series = format!("edge_cache_decisions_set_aside{{reason=\"{other}\"}}");
            let count = metric(&two, &series).await;
            assert_eq!(count > 0.0, other == reason, "{reason}: {count} {other}");
        }
        let path = "/api/v1/nodes/666/edge-cache";
        let shown = two.ask(Method::GET, path, None).await.body;
        assert!(
            shown["decision"]["refused"].is_string(),
            "{reason}: {shown}"
        );
        assert_eq!(shown["registered"], false, "{reason}: {shown}");
        let log = two.log_handle();
        let said = "decisions are set aside: this registry may differ";
        log.expect(said, SOON).await;
        let log = log.read();
        let line = log.lines().find(|line| line.contains(said)).unwrap();
        let named = ["5", "666", "5,666"].map(|nodes| format!("nodes=\"{nodes}\""));
        assert!(named.iter().any(|nodes| line.contains(nodes)), "{line}");
        if reason == "full" {
            let one = "1 decision is set aside, and this agent may differ";
            expect_health(&two, 200, one).await;
        }
        let health = expect_health(&one, 200, "").await;
        assert_eq!(health["warnings"], json!([]), "{reason}");
        two.signal(rustix::process::Signal::TERM);
        assert_eq!(two.ended().await, Some(0));
    }
}

#[tokio::test]
async fn a_member_on_whose_labels_the_plugin_fails_is_in_readiness() {
    let hostile = hostile().unwrap().to_str().unwrap();
    let behaviour = ["--plugin-settings", "behaviour=trap@assess"];
    let args = [&FAST[..], &["--plugin", hostile], &behaviour].concat();
    let one = Node::start(1, &args).await.unwrap();
    expect_health(&one, 200, "").await;
    let seed = one.gossip.to_string();
    let args = [&FAST[..], &["--seed", &seed]].concat();
    let _deadly = Node::start(666, &args).await.unwrap();
    let said = "1 member is not assessed by current labels";
    expect_health(&one, 200, said).await;
}
