//! Changes in the mesh, as the page shows them.

use std::time::{Duration, Instant};

use edge_cache_tests::component::{region, sha256};
use edge_cache_tests::wait::until;
use reqwest::Method;
use rustix::process::Signal;
use serde_json::json;

use super::tab::{Tab, row};
use super::{FAST, SOON};
use crate::gossip_node::{Node, enabled, meet};

/// The time in which the page must show what its agent knows.
const SEEN_WITHIN: Duration = Duration::from_secs(1);

async fn member(id: u64, seed: Option<&Node>, args: &[&str]) -> Node {
    let seed = seed.map(|seed| seed.gossip.to_string());
    let seed = seed.as_ref().map_or(vec![], |seed| vec!["--seed", seed]);
    let args = [&FAST[..], &seed, args].concat();
    Node::start(id, &args).await.unwrap()
}

async fn page(node: &Node) -> Option<Tab> {
    let tab = Tab::open(&format!("http://{}/", node.http)).await?;
    tab.is_live().await;
    Some(tab)
}

#[tokio::test]
async fn changes_drains_and_failures_are_seen_without_a_reload() {
    let one = member(1, None, &[]).await;
    let two = member(2, Some(&one), &[]).await;
    let three = member(3, Some(&one), &[]).await;
    meet(&[&one, &two, &three], SOON).await;
    let Some(tab) = page(&one).await else { return };
    tab.shows("#identity", &["node 1", "version"]).await;
    tab.shows("#health", &["Ready"]).await;
    tab.shows("#members-count", &["3 members"]).await;
    tab.shows("#nodes-none", &["No node is enabled"]).await;

    let (of_two, state_of) = (row("nodes", 2), |id| row("members", id));
    for cores in [4, 9] {
        two.enable(cores).await;
        until("the labels at node 1", SOON, || async {
            let peers = one.peers().await;
            let has = peers
                .iter()
                .any(|(id, labels)| *id == 2 && *labels == enabled(cores));
            if has { Ok(()) } else { Err(peers) }
        })
        .await;
        let label = format!("edge_cache_cpu={cores}");
        let took = tab.shows(&of_two, &[&label]).await;
        println!("{label} was on the page {took:?} after the agent knew it");
        assert!(took < SEEN_WITHIN, "{took:?}");
    }
    tab.shows(&of_two, &["enabled", "advertised", "routed", "100 %"])
        .await;
    tab.shows(
        "#decisions li",
        &["enable", "node 2", "by the agent of node 2"],
    )
    .await;
    tab.shows("#geos", &["no geo", "100 %"]).await;
    tab.0
        .type_into("#route-key", "/videos/1.mp4\u{E007}")
        .await
        .unwrap();
    tab.shows("#route-nodes", &["node 2", "100 %"]).await;

    // A node without a member stops at its first stage.
    let body = json!({"capacity": {"cpu_cores": 1, "ram_mib": 1, "disk_mib": 1, "geo": "eu-1"}});
    one.ask(Method::POST, "/api/v1/nodes/40/edge-cache", Some(&body))
        .await;
    tab.shows(
        &row("nodes", 40),
        &["enabled", "not alive", "no live member has this id"],
    )
    .await;

    three.signal(Signal::TERM);
    tab.shows(&state_of(3), &["left"]).await;
    assert_eq!(three.ended().await, Some(0));
    two.signal(Signal::KILL);
    tab.shows(&state_of(2), &["failed"]).await;
    tab.shows(&of_two, &["not alive"]).await;
    tab.shows("[data-total=\"members-failed\"]", &["1"]).await;
    two.ended().await;
    two_is_disabled(&one).await;
    tab.shows(
        "#decisions li",
        &["disable", "node 2", "by the agent of node 1"],
    )
    .await;
    tab.expect_clean(&[]).await;

    // The page says when it no longer knows.
    one.signal(Signal::KILL);
    tab.shows("#link", &["Not connected since", "may be old"])
        .await;
}

async fn two_is_disabled(at: &Node) {
    let answer = at
        .ask(Method::DELETE, "/api/v1/nodes/2/edge-cache", None)
        .await;
    assert_eq!(answer.status, 204, "{answer:?}");
}

#[tokio::test]
async fn a_conflict_of_ids_is_named() {
    let one = member(1, None, &[]).await;
    let four = member(4, Some(&one), &[]).await;
    meet(&[&one, &four], SOON).await;
    let clone = member(4, Some(&one), &[]).await;
    let Some(tab) = page(&clone).await else {
        return;
    };
    tab.shows("#health", &["Not ready", "has this node's id"])
        .await;
    tab.shows(&row("members", 4), &["conflict"]).await;
    tab.shows("[data-total=\"members-conflict\"]", &["1"]).await;
    tab.expect_clean(&[]).await;
}

#[tokio::test]
async fn refused_decisions_and_agents_with_other_plugins_are_named() {
    let one = member(1, None, &[]).await;
    let region = region().unwrap().to_str().unwrap();
    let plugin = ["--plugin", region, "--plugin-settings", "regions=ap-south"];
    let two = member(2, Some(&one), &plugin).await;
    meet(&[&one, &two], SOON).await;
    let Some(tab) = page(&two).await else { return };
    for id in [2, 5] {
        let body = json!({"capacity": {"cpu_cores": 1, "ram_mib": 1, "disk_mib": 1}});
        let path = format!("/api/v1/nodes/{id}/edge-cache");
        one.ask(Method::POST, &path, Some(&body)).await;
    }
    tab.shows(
        &row("nodes", 5),
        &["refused", "this agent sets the decision aside"],
    )
    .await;
    tab.shows("#decisions", &["refused:"]).await;
    tab.shows("#health", &["warning", "refused by this agent's plugin"])
        .await;
    tab.shows("#plugin", &["Who disagrees", "node 1"]).await;
    tab.shows(&row("members", 1), &["differs"]).await;
    let digest = sha256(&std::fs::read(region).unwrap());
    tab.shows("#plugin", &[&digest[..12], "the same"]).await;
    tab.expect_clean(&[]).await;
    // The other agent sees that the node's own one refuses.
    let Some(tab) = page(&one).await else { return };
    tab.shows(
        &row("nodes", 2),
        &["refused", "its own agent does not follow"],
    )
    .await;
}

#[tokio::test]
async fn a_degraded_plugin_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("trapping.wasm");
    std::fs::write(&file, edge_cache_tests::dummy::dummy().unwrap()).unwrap();
    let node = member(1, None, &["--plugin", file.to_str().unwrap()]).await;
    let start = Instant::now();
    let Some(tab) = page(&node).await else { return };
    tab.shows("#plugin-state", &["degraded"]).await;
    tab.shows(
        "#health",
        &["Not ready", "the plugin is not running: load trapped"],
    )
    .await;
    tab.shows("#plugin", &["Restarts", "Last failure", "unreachable"])
        .await;
    println!("named after {:?}", start.elapsed());
    tab.expect_clean(&[]).await;
}
