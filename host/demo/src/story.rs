//! The steps of the demo.

use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use super::agent::Agent;
use super::error::DemoError;
use super::observation::{Expected, Sight};
use super::route::agreed;
use super::show::{self, heading, line, table};
use super::watch::{labels, watch};
use edge_cache_core::labels::Labels;
use edge_cache_host::NodeCapacity;

/// The node that the demo disables.
const LEAVING: u64 = 2;

/// Runs the demo. The agents end with it, even if it is killed.
///
/// # Errors
///
/// The first step that failed. The last log lines of the agent in question are on standard error.
pub(super) async fn run() -> Result<(), DemoError> {
    let system = |error: std::io::Error| DemoError::System {
        action: "listen for signals",
        reason: error.to_string(),
    };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(system)?;
    let mut agents = Vec::new();
    let ended = tokio::select! {
        ended = story(&mut agents) => ended,
        _ = interrupt.recv() => Err(DemoError::Interrupted),
        _ = terminate.recv() => Err(DemoError::Interrupted),
    };
    match ended {
        Err(error) => Err(explain(error, &mut agents).await),
        Ok(()) => Ok(()),
    }
}

async fn story(agents: &mut Vec<Agent>) -> Result<(), DemoError> {
    let start = Instant::now();
    heading("Three agents start, each a process with sockets of its own");
    for node_id in 1..=3 {
        let seed = agents.first().map(|first| first.gossip);
        let agent = Agent::start(node_id, seed).await?;
        line(&format!(
            "agent {node_id}   gossip {}   http {}",
            agent.gossip, agent.http
        ));
        agents.push(agent);
    }

    heading("Each node is enabled at its own agent: POST /api/v1/nodes/{id}/edge-cache");
    let mut expected = Vec::new();
    for agent in agents.iter() {
        let capacity = capacity(agent.node_id);
        agent.client.enable(&capacity).await?;
        expected.extend(by_others(agents, agent.node_id, &labels(&capacity)));
        line(&format!(
            "node {}   {}",
            agent.node_id,
            show::capacity(&capacity)
        ));
    }
    let arrived = watch(agents, expected, "labels travel by gossip").await?;
    heading("What each agent sees of the others, and how long after they were enabled");
    table(&arrived);

    heading("Which nodes serve which keys: every agent answers the same, best node first");
    let before = agreed(agents, &[1, 2, 3]).await?;
    show::routes(&before);

    heading("One node is disabled, and its labels go");
    for agent in agents.iter().filter(|agent| agent.node_id == LEAVING) {
        agent.client.disable().await?;
        line(&format!("DELETE /api/v1/nodes/{LEAVING}/edge-cache"));
    }
    let expected = by_others(agents, LEAVING, &Labels::new()).collect();
    let gone = watch(agents, expected, "its labels go").await?;
    for sight in &gone {
        line(&format!(
            "agent {}   no labels of node {} after {}",
            sight.by,
            sight.of,
            show::time(sight.took)
        ));
    }

    heading("Only its keys move, each to the node that was next");
    let after = agreed(agents, &[1, 3]).await?;
    show::moves(&before, &after);

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

/// Expects that all other agents see these labels of a node, beginning now.
fn by_others(agents: &[Agent], of: u64, labels: &Labels) -> impl Iterator<Item = Expected> {
    let since = Instant::now();
    agents
        .iter()
        .map(|agent| agent.node_id)
        .filter(move |&by| by != of)
        .map(move |by| Expected {
            by,
            of,
            labels: labels.clone(),
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

/// Prints the log of the agent in question. A failed request may mean that the agent has ended.
async fn explain(mut error: DemoError, agents: &mut [Agent]) -> DemoError {
    let Some(culprit) = error.culprit() else {
        return error;
    };
    for agent in agents.iter_mut().filter(|agent| agent.node_id == culprit) {
        if let (DemoError::Request { node_id, .. }, Some(status)) = (&error, agent.ended().await) {
            error = DemoError::Ended {
                node_id: *node_id,
                status,
            };
        }
        show::log(agent.node_id, &agent.log.tail().await);
    }
    error
}
