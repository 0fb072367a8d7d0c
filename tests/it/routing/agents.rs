use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use edge_cache_tests::agent::Agent;
use edge_cache_tests::long_tests;
use edge_cache_tests::wait::until;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::keys;

const AGENTS: u64 = 10;
const AGREED_WITHIN: Duration = Duration::from_secs(90);

/// Number of keys that each agent is asked for.
fn asked() -> usize {
    if long_tests() { 10_000 } else { 200 }
}

async fn route(agent: &Agent, key: &str) -> Result<Vec<u64>> {
    let path = format!("/api/v1/edge-cache/route?key={key}&replicas=3");
    let answer = agent.get(&path).await?;
    let nodes = answer.get("nodes").and_then(Value::as_array);
    let ids = nodes.context("no nodes")?.iter();
    ids.map(|node| node.get("node_id").and_then(Value::as_u64))
        .collect::<Option<_>>()
        .context("a node without id")
}

/// Waits until every agent sends keys to all of these nodes and no other, and answers what the first says.
async fn agreed(agents: &[Agent], nodes: &BTreeSet<u64>) -> Result<Vec<Vec<u64>>> {
    until("the routes", AGREED_WITHIN, || async {
        for agent in agents {
            let seen = agent.get("/api/v1/edge-cache/route?key=x&replicas=8").await;
            let seen = seen.map_err(|error| error.to_string())?;
            let ids = seen["nodes"].as_array().cloned().unwrap_or_default();
            let ids = ids.iter().filter_map(|node| node["node_id"].as_u64());
            let seen: BTreeSet<u64> = ids.collect();
            if !seen.is_subset(nodes) || seen.len() != nodes.len().min(8) {
                return Err(format!("{seen:?}"));
            }
        }
        // Ten nodes don't show in eight replicas: all agents must say the same of some keys first.
        let first = some(&agents[0]).await?;
        for agent in agents {
            let other = some(agent).await?;
            let named: BTreeSet<_> = first.iter().flatten().copied().collect();
            if other != first || named != *nodes {
                return Err(format!("{other:?}"));
            }
        }
        Ok(())
    })
    .await;
    let mut all = Vec::new();
    for key in keys(asked()) {
        all.push(route(&agents[0], &key).await?);
    }
    let checks = agents.iter().map(|agent| async {
        for (key, expected) in keys(asked()).zip(&all) {
            let seen = route(agent, &key).await?;
            ensure!(seen == *expected, "{key}: {seen:?}, not {expected:?}");
        }
        anyhow::Ok(())
    });
    futures_util::future::try_join_all(checks).await?;
    Ok(all)
}

async fn some(agent: &Agent) -> Result<Vec<Vec<u64>>, String> {
    let mut routes = Vec::new();
    for key in keys(40) {
        let nodes = route(agent, &key).await;
        routes.push(nodes.map_err(|error| error.to_string())?);
    }
    Ok(routes)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_agents_answer_the_same_before_and_after_one_is_killed() -> Result<()> {
    let mut agents: Vec<Agent> = Vec::new();
    for node_id in 1..=AGENTS {
        let node_id = node_id.to_string();
        let seed = agents.first().and_then(|agent| agent.gossip);
        let seed = seed.map(|seed| seed.to_string());
        let mut flags = vec!["--node-id", &node_id, "--gossip-listen", "127.0.0.1:0"];
        flags.extend(["--gossip-interval", "200ms"]);
        flags.extend(seed.iter().flat_map(|seed| ["--seed", seed]));
        agents.push(Agent::start(&flags).await?);
    }
    for node_id in 1..=AGENTS {
        let capacity = json!({"cpu_cores": 4, "ram_mib": 8_192, "disk_mib": 100_000 * node_id});
        let path = format!("/api/v1/nodes/{node_id}/edge-cache");
        let body = json!({"capacity": capacity});
        let answer = agents[0].ask(Method::POST, &path, Some(&body)).await?;
        ensure!(answer.status == StatusCode::NO_CONTENT, "{answer:?}");
    }
    let everyone: BTreeSet<u64> = (1..=AGENTS).collect();
    let before = agreed(&agents, &everyone).await?;

    let dead = 4;
    agents.remove(3).kill().await?;
    // Before anybody knows, the second replica of the dead node's keys is a live one.
    for (key, routes) in keys(asked()).zip(&before) {
        let now = route(&agents[0], &key).await?;
        let live = now.iter().find(|node_id| **node_id != dead);
        let was = routes.iter().find(|node_id| **node_id != dead);
        ensure!(live.is_some() && live == was, "{key}: {now:?}");
    }
    let left = &everyone - &BTreeSet::from([dead]);
    let after = agreed(&agents, &left).await?;
    for (before, after) in before.iter().zip(&after) {
        let mut expected = before.clone();
        expected.retain(|node_id| *node_id != dead);
        ensure!(after.starts_with(&expected), "{before:?} became {after:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_names_nodes_with_weight_and_geo_and_refuses_what_it_cannot_answer() -> Result<()> {
    let agent = Agent::start(&["--node-id", "7"]).await?;
    let capacity = json!({"cpu_cores": 4, "ram_mib": 8_192, "disk_mib": 20_480, "geo": "eu-1"});
    let body = json!({"capacity": capacity});
    let path = "/api/v1/nodes/7/edge-cache";
    let answer = agent.ask(Method::POST, path, Some(&body)).await?;
    ensure!(answer.status == StatusCode::NO_CONTENT, "{answer:?}");
    let route = "/api/v1/edge-cache/route";
    until("the route", AGREED_WITHIN, || async {
        let seen = agent.get(&format!("{route}?key=a%20key")).await;
        let seen = seen.map_err(|error| error.to_string())?;
        if seen == json!({"nodes": [{"node_id": 7, "weight": 20, "geo": "eu-1"}]}) {
            Ok(())
        } else {
            Err(seen.to_string())
        }
    })
    .await;
    for (query, said) in [
        ("", "key"),
        ("?key=", "key"),
        ("?key=a&replicas=0", "replicas"),
        ("?key=a&replicas=9", "replicas"),
        ("?key=a&replicas=two", "replicas"),
        ("?key=a&geo=", "geo"),
        ("?key=a&region=eu", "region"),
    ] {
        let answer = agent
            .ask(Method::GET, &format!("{route}{query}"), None)
            .await?;
        ensure!(
            answer.status == StatusCode::BAD_REQUEST,
            "{query}: {answer:?}"
        );
        ensure!(answer.content_type == "application/problem+json", "{query}");
        let detail = answer.body["detail"].as_str().unwrap_or_default();
        ensure!(detail.contains(said), "{query}: {detail}");
    }
    Ok(())
}
