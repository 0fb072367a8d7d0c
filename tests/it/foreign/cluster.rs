//! An agent with a plugin of the guide among others, in each language: its peers can't tell, and it shows in its log what
//! the language prints.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use edge_cache_tests::agent::Agent;
use edge_cache_tests::agent::answer;
use edge_cache_tests::component::reference_bytes;
use edge_cache_tests::long_tests;
use edge_cache_tests::wait::until;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::COMPILED_WITHIN;
use super::languages::{LANGUAGES, VOICES};

const AGREED_WITHIN: Duration = Duration::from_secs(60);
/// Enough keys that each of three nodes is the best one of some.
const KEYS: usize = 50;

const PRINTED: &str = "voice: clock ";

#[tokio::test(flavor = "multi_thread")]
async fn peers_cannot_tell_any_language_and_its_log_shows_what_it_prints() -> Result<()> {
    for language in LANGUAGES {
        if language.is_long && !long_tests() {
            continue;
        }
        let name = language.name;
        let Some(chapter) = (language.chapter)().context(name)? else {
            continue;
        };
        let Some(component) = chapter.component().context(name)? else {
            continue;
        };
        let begun = Instant::now();
        in_a_cluster(&component, language.has_voice)
            .await
            .context(name)?;
        println!("{name}: in a cluster, {:?}", begun.elapsed());
    }
    Ok(())
}

/// Runs a plugin on one of three agents, swapped in and out while the cluster works, and from its start.
async fn in_a_cluster(component: &Path, has_voice: bool) -> Result<()> {
    let foreign = fs::read(component)?;
    let data = tempfile::tempdir()?;
    let first = start_first(None, data.path(), None).await?;
    let seed = first.gossip.context("no gossip")?.to_string();
    let mut agents = vec![first];
    for node_id in ["2", "3"] {
        let gossip = ["--gossip-listen", "127.0.0.1:0", "--seed", &seed];
        let flags = [&["--node-id", node_id], FLAGS, &gossip].concat();
        agents.push(Agent::start(&flags).await?);
    }
    swap(&agents[0], &foreign).await?;
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
    for plugin in [reference_bytes()?, &foreign] {
        swap(&agents[0], plugin).await?;
        let after = agreed(&agents, &[1, 2, 3]).await?;
        ensure!(after == routes, "other routes than before a swap");
    }

    change(&agents[0], Method::DELETE, 3, StatusCode::NO_CONTENT).await?;
    agreed(&agents, &[1, 2]).await?;
    change(&agents[0], Method::DELETE, 3, StatusCode::NOT_FOUND).await?;

    let seed = agents[1].gossip.context("no gossip")?.to_string();
    agents.remove(0).kill().await?;
    change(&agents[0], Method::POST, 3, StatusCode::NO_CONTENT).await?;
    agents.insert(
        0,
        start_first(Some(component), data.path(), Some(&seed)).await?,
    );
    ensure!(component_of(&agents[0]).await? == ours);
    ensure!(
        agreed(&agents, &[1, 2, 3]).await? == routes,
        "other routes than before"
    );
    if has_voice {
        shows_what_it_prints(&agents[0]).await?;
    }
    Ok(())
}

/// Makes the plugin print and fail twice. Each time the log has the time and another random number, and the reason.
async fn shows_what_it_prints(agent: &Agent) -> Result<()> {
    let body = json!({"capacity": {"cpu_cores": VOICES, "ram_mib": 1, "disk_mib": 1}});
    for round in 1..=2 {
        // Another node each time: the one at which the plugin failed is not tried again soon.
        let path = format!("/api/v1/nodes/{}/edge-cache", 9 + round);
        until("the line of another failure", AGREED_WITHIN, || async {
            let answer = agent.ask(Method::POST, &path, Some(&body)).await;
            let answer = answer.map_err(|error| format!("{error:#}"))?;
            if answer.status != StatusCode::SERVICE_UNAVAILABLE {
                return Err(format!("{answer:?}"));
            }
            let lines = log(agent).await.map_err(|error| format!("{error:#}"))?;
            let printed = lines.iter().filter(|line| line.contains(PRINTED)).count();
            if printed >= round {
                Ok(())
            } else {
                Err(lines.join("\n"))
            }
        })
        .await;
    }
    let lines = log(agent).await?;
    let panics = lines.iter().filter(|line| line.contains("voice: panic"));
    ensure!(panics.count() >= 2, "no reason in\n{}", lines.join("\n"));
    let mut numbers = BTreeSet::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    for line in &lines {
        let Some((_, line)) = line.split_once(PRINTED) else {
            continue;
        };
        let (clock, random) = line.split_once(" random ").context("no random number")?;
        ensure!(now.abs_diff(clock.parse()?) < 600, "{line}, at {now}");
        ensure!(numbers.insert(random.to_string()), "{random} twice");
    }
    Ok(())
}

async fn log(agent: &Agent) -> Result<Vec<String>> {
    let log = agent.get("/api/v1/plugin/logs").await?;
    let lines = log["lines"].as_array().context("no lines")?.iter();
    let message = |line: &Value| line["message"].as_str().map(str::to_string);
    lines
        .map(|line| message(line).context("no message"))
        .collect()
}

const FLAGS: &[&str] = &[
    "--gossip-interval",
    "200ms",
    "--plugin-settings",
    "weight=cpu",
];

async fn start_first(component: Option<&Path>, data: &Path, seed: Option<&str>) -> Result<Agent> {
    let data = data.to_str().context("a path that is no text")?;
    let mut flags = vec!["--node-id", "1", "--gossip-listen", "127.0.0.1:0"];
    flags.extend(["--allow-local-admin", "--data-dir", data]);
    flags.extend(["--limits-compile-deadline", "600s"]);
    flags.extend(FLAGS);
    if let Some(component) = component {
        let component = component.to_str().context("a path that is no text")?;
        flags.extend(["--plugin", component]);
    }
    flags.extend(seed.iter().flat_map(|seed| ["--seed", seed]));
    Agent::start(&flags).await
}

async fn swap(agent: &Agent, plugin: &[u8]) -> Result<()> {
    let request = agent.request(Method::PUT, "/api/v1/plugin");
    let request = request.header(CONTENT_TYPE, "application/wasm");
    let request = request.timeout(COMPILED_WITHIN);
    let swapped = answer(request.body(plugin.to_vec())).await?;
    ensure!(swapped.status == StatusCode::OK, "{swapped:?}");
    Ok(())
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
    let (cpu_cores, disk_mib) = (4 * node_id, 100_000 * node_id);
    json!({"cpu_cores": cpu_cores, "ram_mib": 8_192, "disk_mib": disk_mib, "geo": "eu-central-1"})
}

fn labels(node_id: u64) -> Value {
    json!({
        "edge_cache": "true",
        "edge_cache_cpu": (4 * node_id).to_string(),
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
