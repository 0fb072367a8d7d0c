//! An agent with a component in Python among others: its peers can't tell.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use edge_cache_tests::agent::Agent;
use edge_cache_tests::foreign::python;
use edge_cache_tests::wait::until;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const AGREED_WITHIN: Duration = Duration::from_secs(60);
/// Enough keys that each of three nodes is the best one of some.
const KEYS: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_with_python_behaves_the_same_to_its_peers() -> Result<()> {
    let Some(component) = python()? else {
        return Ok(());
    };
    let data = tempfile::tempdir()?;
    let foreign = start_foreign(component, data.path(), None).await?;
    let seed = foreign.gossip.context("no gossip")?.to_string();
    let mut agents = vec![foreign];
    for node_id in ["2", "3"] {
        let gossip = ["--gossip-listen", "127.0.0.1:0", "--seed", &seed];
        let flags = [&["--node-id", node_id], FLAGS, &gossip].concat();
        agents.push(Agent::start(&flags).await?);
    }
    let (ours, other) = (
        component_of(&agents[0]).await?,
        component_of(&agents[1]).await?,
    );
    ensure!(ours != other, "all of them run {ours}");

    // Each node at another agent than its own.
    for (node_id, at) in [(1, 1), (2, 0), (3, 2)] {
        change(&agents[at], Method::POST, node_id, StatusCode::NO_CONTENT).await?;
    }
    let routes = agreed(&agents, &[1, 2, 3]).await?;
    for node_id in [1, 2, 3] {
        let is_best = |route: &Vec<u64>| route.first() == Some(&node_id);
        ensure!(routes.iter().any(is_best), "nothing goes to {node_id}");
    }
    let list = agents[1].get("/api/v1/edge-cache/nodes").await?;
    ensure!(agents[0].get("/api/v1/edge-cache/nodes").await? == list);

    change(&agents[0], Method::DELETE, 3, StatusCode::NO_CONTENT).await?;
    agreed(&agents, &[1, 2]).await?;
    change(&agents[0], Method::DELETE, 3, StatusCode::NOT_FOUND).await?;

    let seed = agents[1].gossip.context("no gossip")?.to_string();
    agents.remove(0).kill().await?;
    change(&agents[0], Method::POST, 3, StatusCode::NO_CONTENT).await?;
    agents.insert(0, start_foreign(component, data.path(), Some(&seed)).await?);
    ensure!(component_of(&agents[0]).await? == ours);
    ensure!(
        agreed(&agents, &[1, 2, 3]).await? == routes,
        "other routes than before"
    );
    Ok(())
}

const FLAGS: &[&str] = &["--gossip-interval", "200ms"];

async fn start_foreign(component: &Path, data: &Path, seed: Option<&str>) -> Result<Agent> {
    let component = component.to_str().context("a path that is no text")?;
    let data = data.to_str().context("a path that is no text")?;
    let mut flags = vec!["--node-id", "1", "--gossip-listen", "127.0.0.1:0"];
    flags.extend(["--plugin", component, "--data-dir", data]);
    flags.extend(FLAGS);
    flags.extend(seed.iter().flat_map(|seed| ["--seed", seed]));
    Agent::start(&flags).await
}

async fn component_of(agent: &Agent) -> Result<Value> {
    Ok(agent.get("/api/v1/plugin").await?["sha256"].take())
}

async fn change(agent: &Agent, method: Method, node_id: u64, status: StatusCode) -> Result<()> {
    let path = format!("/api/v1/nodes/{node_id}/edge-cache");
    let body = (method == Method::POST).then(|| json!({"capacity": capacity(node_id)}));
    let answer = agent.ask(method, &path, body.as_ref()).await?;
    ensure!(answer.status == status, "node {node_id}: {answer:?}");
    Ok(())
}

fn capacity(node_id: u64) -> Value {
    let disk_mib = 100_000 * node_id;
    json!({"cpu_cores": 4, "ram_mib": 8_192, "disk_mib": disk_mib, "geo": "eu-central-1"})
}

fn labels(node_id: u64) -> Value {
    json!({
        "edge_cache": "true",
        "edge_cache_cpu": "4",
        "edge_cache_ram_mib": "8192",
        "edge_cache_disk_mib": (100_000 * node_id).to_string(),
        "edge_cache_geo": "eu-central-1",
    })
}

/// Waits until every agent lists these nodes, sees their labels and no others, and sends all keys to the
/// same nodes, which it answers.
async fn agreed(agents: &[Agent], nodes: &[u64]) -> Result<Vec<Vec<u64>>> {
    let routes = until("one view of the cluster", AGREED_WITHIN, || async {
        let mut views = Vec::new();
        for (agent, node_id) in agents.iter().zip(1..) {
            views.push(
                view(agent, node_id, nodes)
                    .await
                    .map_err(|error| format!("{error:#}"))?,
            );
        }
        let one = views.pop().unwrap_or_default();
        let complete = one.iter().all(|route| route.len() == nodes.len());
        if complete && views.iter().all(|other| *other == one) {
            Ok(one)
        } else {
            Err(format!("{one:?}, elsewhere {views:?}"))
        }
    });
    Ok(routes.await)
}

/// Returns the agent's route for each key, once it lists these nodes and sees their labels.
async fn view(agent: &Agent, own: u64, nodes: &[u64]) -> Result<Vec<Vec<u64>>> {
    let listed = agent.get("/api/v1/edge-cache/nodes").await?;
    ensure!(ids(&listed)? == nodes, "agent {own} lists {listed}");
    for node_id in (1..=3).filter(|node_id| *node_id != own) {
        let expected = match nodes.contains(&node_id) {
            true => labels(node_id),
            false => json!({}),
        };
        let seen = agent.labels_of(node_id).await?;
        ensure!(
            seen == Some(expected),
            "agent {own} sees of {node_id}: {seen:?}"
        );
    }
    let mut routes = Vec::new();
    for key in 0..KEYS {
        let path = format!("/api/v1/edge-cache/route?key=key-{key}&replicas=3");
        routes.push(ids(&agent.get(&path).await?)?);
    }
    Ok(routes)
}

fn ids(answer: &Value) -> Result<Vec<u64>> {
    let nodes = answer["nodes"].as_array().context("no nodes")?;
    nodes
        .iter()
        .map(|node| node["node_id"].as_u64().context("a node without id"))
        .collect()
}
