//! The steps of the demo.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use edge_cache_host::NodeCapacity;
use tokio::signal::unix::{SignalKind, signal};

use super::agent::Agent;
use super::cache::Cache;
use super::route::{Route, agreed};
use super::show::{self, heading, line};
use super::traffic::{self, Outcome};
use super::watch::{Expected, Sight, ready, watch};

/// The node that the demo disables.
const LEAVING: u64 = 2;

/// Runs the demo. The agents end with it, even if it is killed.
///
/// # Errors
///
/// The first step that failed. The last log lines of the agents are on standard error.
pub(super) async fn run() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let mut agents = Vec::new();
    let ended = tokio::select! {
        ended = story(&mut agents) => ended,
        _ = interrupt.recv() => bail!("the demo was interrupted"),
        _ = terminate.recv() => bail!("the demo was interrupted"),
    };
    if ended.is_err() {
        agents.iter().for_each(Agent::show_log);
    }
    ended
}

async fn story(agents: &mut Vec<Agent>) -> Result<()> {
    let start = Instant::now();
    heading(
        "Three agents start, each a process with sockets of its own, and a small cache for each",
    );
    let mut caches = Vec::new();
    for node_id in 1..=3 {
        let seed = agents.first().map(|first| first.gossip);
        let cache = Cache::start().await?;
        let agent = Agent::start(node_id, cache.address, seed).await?;
        caches.push(cache);
        line(&format!(
            "agent {node_id}   gossip {}   http {}",
            agent.gossip, agent.http
        ));
        agents.push(agent);
    }

    ready(agents).await?;
    heading("Each node is enabled at its own agent: POST /api/v1/nodes/{id}/edge-cache");
    let mut expected = Vec::new();
    for agent in agents.iter() {
        let capacity = capacity(agent.node_id);
        let call = agent.client.enable(agent.node_id, capacity.clone());
        agent.send(call).await?;
        expected.extend(by_others(agents, agent.node_id, true));
        line(&format!(
            "node {}   {}",
            agent.node_id,
            show::capacity(&capacity)
        ));
    }
    let arrived = watch(agents, expected).await?;
    heading("What each agent sees of the others, and how long after they were enabled");
    let columns = ["agent", "peer", "labels that it sees", "after"];
    let rows = arrived.iter().map(|sight| {
        [
            sight.expected.by.to_string(),
            sight.expected.of.to_string(),
            show::pairs(&sight.labels),
            show::time(sight.took),
        ]
    });
    show::table(columns, rows);

    heading("Which nodes serve which keys: every agent answers the same, best node first");
    let before = agreed(agents, &[1, 2, 3]).await?;
    show_routes(&before);
    send_traffic(agents, &mut caches).await?;

    heading("One node is disabled, and its labels go");
    for agent in agents.iter().filter(|agent| agent.node_id == LEAVING) {
        agent.send(agent.client.disable(LEAVING)).await?;
        line(&format!("DELETE /api/v1/nodes/{LEAVING}/edge-cache"));
    }
    let expected = by_others(agents, LEAVING, false).collect();
    let gone = watch(agents, expected).await?;
    for sight in &gone {
        line(&format!(
            "agent {}   no labels of node {} after {}",
            sight.expected.by,
            sight.expected.of,
            show::time(sight.took)
        ));
    }

    heading("Only its keys move, each to the node that was next");
    let after = agreed(agents, &[1, 3]).await?;
    show_moves(&before, &after);

    heading("The agents are told to stop");
    for agent in agents.iter_mut() {
        let took = agent.stop().await?;
        line(&format!(
            "agent {}   status 0 after {}",
            agent.node_id,
            show::time(took)
        ));
    }

    let longest = |sights: &[Sight]| {
        let longest = sights.iter().map(|sight| sight.took).max();
        show::time(longest.unwrap_or(Duration::ZERO))
    };
    heading(&format!(
        "All is well: labels came within {}, went within {}; {} in all",
        longest(&arrived),
        longest(&gone),
        show::time(start.elapsed())
    ));
    Ok(())
}

/// Expects that all other agents see labels of a node, or none, beginning now.
fn by_others(agents: &[Agent], of: u64, has_labels: bool) -> impl Iterator<Item = Expected> {
    let since = Instant::now();
    agents
        .iter()
        .map(|agent| agent.node_id)
        .filter(move |&by| by != of)
        .map(move |by| Expected {
            by,
            of,
            has_labels,
            since,
        })
}

/// Returns a capacity that differs between the nodes; the last node has no geo.
fn capacity(node_id: u64) -> NodeCapacity {
    let size = 1 << node_id;
    NodeCapacity {
        cpu_cores: 2_u32.saturating_mul(u32::try_from(size).unwrap_or(1)),
        ram_mib: 4_096 * size,
        disk_mib: 51_200 * size,
        geo: match node_id {
            1 => Some("eu-west-1".to_string()),
            2 => Some("us-east-1".to_string()),
            _ => None,
        },
    }
}

/// Sends requests to the caches that the agents pick, and the same ones by turns; then a cache stops.
async fn send_traffic(agents: &[Agent], caches: &mut Vec<Cache>) -> Result<()> {
    heading(&format!(
        "{} requests for {} objects go to the caches: GET /pick/…",
        traffic::REQUESTS,
        traffic::KEYS
    ));
    let picked = traffic::by_picks(agents, caches).await?;
    let by_turns = traffic::by_turns(caches).await?;
    let row = |way: &str, outcome: Outcome| {
        let percent = format!("{} %", outcome.percent());
        [
            way.to_string(),
            outcome.hits.to_string(),
            outcome.misses.to_string(),
            percent,
        ]
    };
    let rows = [row("as the agents pick", picked), row("by turns", by_turns)];
    show::table(["requests go", "hits", "misses", "hit ratio"], rows);

    heading("One cache stops: its requests go to the second cache of their key");
    drop(caches.pop());
    let outcome = traffic::by_picks(agents, caches).await?;
    line(&format!(
        "{} of {} requests went to the second cache, none failed",
        outcome.second,
        traffic::REQUESTS
    ));
    Ok(())
}

/// Prints the nodes that serve each key.
fn show_routes(routes: &[Route]) {
    let rows = routes.iter().map(|route| {
        let mut nodes = route.nodes.iter().map(|node| format!("node {node}"));
        let first = nodes.next().unwrap_or_default();
        let others: Vec<_> = nodes.collect();
        [route.key.to_string(), first, others.join(", then ")]
    });
    show::table(["key", "served by", "should it fail"], rows);
}

/// Prints the keys that moved to another node.
fn show_moves(before: &[Route], after: &[Route]) {
    let node = |route: &Route| {
        let first = route.nodes.first();
        first.map_or_else(String::new, |id| format!("node {id}"))
    };
    let mut moved = 0_usize;
    let rows = before.iter().zip(after).map(|(before, after)| {
        let (was, is) = (node(before), node(after));
        if was == is {
            return [after.key.to_string(), is, String::new()];
        }
        moved += 1;
        [after.key.to_string(), is, was]
    });
    show::table(["key", "served by", "before"], rows);
    line(&format!("{moved} of {} keys moved", after.len()));
}
