//! The page with a thousand nodes.

use std::time::{Duration, Instant};

use edge_cache_tests::agent::Agent;
use edge_cache_tests::wait::until;
use reqwest::Method;
use serde_json::json;

use super::SOON;
use super::tab::Tab;

const NODES: u64 = 1_000;
const CHANGES_PER_SECOND: u32 = 50;
const CHANGED_FOR: Duration = Duration::from_secs(12);
/// Ten times what is wanted: machines differ.
const RENDERED_WITHIN_MS: f64 = 10_000.0;
const LOAD_MAX: f64 = 2.0;

fn capacity(node: u64, disk_mib: u64) -> serde_json::Value {
    let geo = format!("eu-{}", node % 7);
    json!({"cpu_cores": 8, "ram_mib": 16_384, "disk_mib": disk_mib, "geo": geo})
}

#[tokio::test]
async fn a_thousand_nodes_are_shown_at_once_and_follow_many_events() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let nodes: Vec<_> = (1..=NODES)
        .map(|node| json!({"node_id": node, "capacity": capacity(node, 512_000)}))
        .collect();
    let path = "/api/v1/edge-cache/nodes";
    let body = json!({ "nodes": nodes });
    let answer = agent.ask(Method::PUT, path, Some(&body)).await.unwrap();
    assert_eq!(answer.body["enabled"], NODES, "{answer:?}");

    let Some(tab) = Tab::open(&format!("http://{}/", agent.http)).await else {
        return;
    };
    let look = "
        const list = performance.getEntriesByType('resource').find((entry) => entry.name.includes('/decisions'));
        const rows = document.querySelectorAll('#nodes [data-key]').length;
        return [rows, performance.now(), performance.now() - list?.responseEnd]";
    let [shown, rendered] = until("all rows", SOON, || async {
        let seen = tab.run(look).await;
        if seen[0] == NODES {
            Ok([1, 2].map(|at: usize| seen[at].as_f64().unwrap()))
        } else {
            Err(seen)
        }
    })
    .await;
    println!(
        "{NODES} nodes were shown {shown:.0} ms after the page was asked for, {rendered:.0} ms after their list came"
    );
    assert!(rendered < RENDERED_WITHIN_MS);
    tab.shows("#nodes-count", &["1,000 nodes"]).await;

    let (start, before) = (Instant::now(), tab.0.computed().unwrap());
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / CHANGES_PER_SECOND);
    let mut changes = 0;
    while start.elapsed() < CHANGED_FOR {
        ticks.tick().await;
        changes += 1;
        let node = 1 + changes * 7 % NODES;
        let path = format!("/api/v1/nodes/{node}/edge-cache");
        let body = json!({"capacity": capacity(node, 1_000_000 + changes)});
        agent.ask(Method::POST, &path, Some(&body)).await.unwrap();
    }
    let (took, computed) = (start.elapsed(), tab.0.computed().unwrap() - before);
    let load = computed.as_secs_f64() / took.as_secs_f64();
    println!(
        "{:.0} changes a second for {took:.1?}: the browser used {:.0} % of a core",
        changes as f64 / took.as_secs_f64(),
        load * 100.0
    );
    assert!(load < LOAD_MAX);
    // The last change is there.
    let node = 1 + changes * 7 % NODES;
    let expected = format!(
        "return document.querySelector('#nodes [data-key=\"{node}\"] .capacity').textContent"
    );
    until("the last change", SOON, || async {
        let text = tab.run(&expected).await;
        if text.as_str().unwrap().contains("977 GiB disk") {
            Ok(())
        } else {
            Err(text)
        }
    })
    .await;
    tab.expect_clean(&[]).await;
}
