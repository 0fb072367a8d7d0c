//! The routes of example keys, and the check that all agents agree on them.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use edge_cache_client::RouteQuery;

use super::agent::Agent;

const KEYS: [&str; 8] = [
    "/video/intro.mp4",
    "/video/trailer.mp4",
    "/img/logo.svg",
    "/img/hero.avif",
    "/app/main.js",
    "/app/main.css",
    "/feed/today.json",
    "/feed/week.json",
];
/// The time limit for the agents to agree after they have seen the labels.
const AGREED_WITHIN: Duration = Duration::from_secs(10);
const ASK_EVERY: Duration = Duration::from_millis(50);

/// The nodes that serve a key, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) key: &'static str,
    pub(super) nodes: Vec<u64>,
}

/// Asks every agent for every key until all name exactly `nodes` of each, in the same order.
pub(super) async fn agreed(agents: &[Agent], nodes: &[u64]) -> Result<Vec<Route>> {
    let deadline = Instant::now() + AGREED_WITHIN;
    loop {
        let mut answers = Vec::with_capacity(agents.len());
        for agent in agents {
            answers.push((agent.node_id, ask(agent).await?));
        }
        let names_all = |route: &Route| {
            let mut named = route.nodes.clone();
            named.sort_unstable();
            named == nodes
        };
        let first = answers.first().map(|(_, routes)| routes.clone());
        let first = first.unwrap_or_default();
        let odd = answers
            .iter()
            .find(|(_, routes)| *routes != first || !routes.iter().all(names_all));
        match odd {
            None => return Ok(first),
            Some((by, routes)) if Instant::now() > deadline => {
                bail!(
                    "agent {by} did not name the routes of the others, to the nodes {nodes:?}, within {} s; it named \
                     {routes:?}",
                    AGREED_WITHIN.as_secs()
                );
            }
            Some(_) => tokio::time::sleep(ASK_EVERY).await,
        }
    }
}

async fn ask(agent: &Agent) -> Result<Vec<Route>> {
    let mut routes = Vec::with_capacity(KEYS.len());
    for key in KEYS {
        let query = RouteQuery {
            key: key.to_string(),
            ..RouteQuery::default()
        };
        let route = agent.send(agent.client.route(&query)).await?;
        let nodes = route.nodes.iter().map(|replica| replica.node_id).collect();
        routes.push(Route { key, nodes });
    }
    Ok(routes)
}
