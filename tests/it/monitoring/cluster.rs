//! Agents that are healthy, and agents in trouble with each other.

use std::cell::Cell;

use anyhow::{Context, Result, ensure};
use edge_cache_tests::agent::client;
use edge_cache_tests::component::{hostile, reference_bytes, with_section};
use edge_cache_tests::wait::until;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use rustix::process::Signal;
use serde_json::json;

use super::prometheus::{FIRES_WITHIN, Prometheus, target};
use crate::gossip_node::Node;

/// Alerts that the agents of these tests are brought to.
pub(super) const ALERTS: &[&str] = &[
    "EdgeCacheAddressesMissing",
    "EdgeCacheAgentDown",
    "EdgeCacheDatagramsRefused",
    "EdgeCacheDecisionsSetAside",
    "EdgeCacheGossipTrouble",
    "EdgeCacheIdConflict",
    "EdgeCacheMembersFailed",
    "EdgeCacheNotAdvertised",
    "EdgeCacheNotReady",
    "EdgeCachePluginDegraded",
    "EdgeCachePluginFails",
    "EdgeCachePluginUndeclared",
    "EdgeCachePluginsDiffer",
    "EdgeCacheRegistriesDiffer",
    "EdgeCacheRegistryNearlyFull",
];
/// Node at which the hostile guest does what its settings say.
const TRIGGER: u64 = 666;

async fn enable(node: &Node, id: u64, disk_mib: u64) -> u16 {
    let capacity = json!({"capacity": {"cpu_cores": 1, "ram_mib": 2, "disk_mib": disk_mib}});
    let path = format!("/api/v1/nodes/{id}/edge-cache");
    let answer = node.ask(Method::POST, &path, Some(&capacity)).await;
    answer.status.as_u16()
}

#[tokio::test]
async fn rules_fire_for_agents_in_trouble_and_not_before() -> Result<()> {
    let plugin = hostile()?.to_str().context("no text")?;
    let first = Node::start(
        1,
        &["--allow-local-admin", "--traffic-listen", "127.0.0.1:0"],
    )
    .await?;
    let seed = first.gossip.to_string();
    let joins = ["--seed", &seed];
    let second = Node::start(2, &joins).await?;
    let targets = [&first, &second].map(target);
    let Some(server) = Prometheus::start(&targets).await? else {
        return Ok(());
    };
    let alive = "sum(edge_cache_gossip_members{status=\"alive\"})";
    server.expect_value(alive, "4").await;
    // Two healthy agents; while they met, one may have been alone for a moment.
    until("silence", FIRES_WITHIN, || async {
        let firing = server.firing().await;
        if firing.is_empty() {
            Ok(())
        } else {
            Err(firing)
        }
    })
    .await;
    drop(server);

    let refusing = [
        "--plugin",
        plugin,
        "--plugin-settings",
        "behaviour=escaped-error@apply",
    ];
    let refusing = Node::start(3, &[&joins[..], &refusing].concat()).await?;
    let failing = [
        "--plugin",
        plugin,
        "--plugin-settings",
        "behaviour=trap@enable",
    ];
    let failing = Node::start(4, &failing).await?;
    let stranger = ["--cluster-id", "other", "--limits-nodes-max", "1"];
    let stranger = Node::start(5, &[&joins[..], &stranger].concat()).await?;
    let twin = Node::start(1, &joins).await?;
    let agents = [&first, &second, &refusing, &failing, &stranger, &twin];
    let Some(server) = Prometheus::start(&agents.map(target)).await? else {
        return Ok(());
    };
    ensure!(enable(&first, 1, 3).await == 204);
    // The third agent's plugin refuses decisions about this node.
    ensure!(enable(&first, TRIGGER, 3).await == 204);
    ensure!(enable(&stranger, 7, 3).await == 204);
    let other = with_section(reference_bytes()?, "note", b"2");
    let url = format!("http://{}/api/v1/plugin", first.http);
    let swap = client(&[])?
        .put(url)
        .header(CONTENT_TYPE, "application/wasm");
    ensure!(swap.body(other).send().await?.status().is_success());
    second.signal(Signal::KILL);
    second.ended().await;
    let disk_mib = Cell::new(1);
    // The plugin fails at one change after another, until it is given up; a change that failed is not tried again.
    let fail = async || {
        enable(&failing, TRIGGER, disk_mib.replace(disk_mib.get() + 1)).await;
    };
    server.expect_doing(ALERTS, fail).await;
    Ok(())
}
