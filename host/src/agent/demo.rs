//! Three agents on real sockets, and what they see of one another.
//!
//! Each agent is a process of this very binary. The demo talks to them as anybody would: over HTTP, and
//! with signals. It ends by itself, and with an error if anything did not happen in time.

mod agent;
mod show;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use self::agent::{Agent, Sight};
use self::show::{Progress, heading, line, table};
use crate::NodeCapacity;

/// How long an agent may take to be ready. A debug build compiles the component in this time.
pub(super) const READY_WITHIN: Duration = Duration::from_secs(20);
/// How long labels may travel. Gossip goes round once a second.
const SEEN_WITHIN: Duration = Duration::from_secs(10);
/// How long an agent may take to stop.
pub(super) const STOPPED_WITHIN: Duration = Duration::from_secs(10);
/// How often the agents are asked what they see.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// What did not happen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DemoError {
    /// An agent could not be started.
    #[error("agent {node_id} does not start: {reason}")]
    Start {
        /// The agent's node.
        node_id: u64,
        /// What it said.
        reason: String,
    },
    /// An agent did not answer as it should.
    #[error("agent {node_id} did not answer {request}: {reason}")]
    Request {
        /// The agent's node.
        node_id: u64,
        /// What was asked.
        request: String,
        /// What came instead.
        reason: String,
    },
    /// Labels did not arrive, or did not go.
    #[error(
        "agent {by} did not see {expected} within {} s; it saw {seen}",
        SEEN_WITHIN.as_secs()
    )]
    NotSeen {
        /// Who looked.
        by: u64,
        /// What should have been there.
        expected: String,
        /// What was there.
        seen: String,
    },
    /// An agent did not stop in order.
    #[error("agent {node_id} did not stop in order: {reason}")]
    Stop {
        /// The agent's node.
        node_id: u64,
        /// What happened.
        reason: String,
    },
    /// The demo was told to stop.
    #[error("interrupted")]
    Interrupted,
    /// The system refused something.
    #[error("cannot {action}: {reason}")]
    System {
        /// What was tried.
        action: &'static str,
        /// Why not.
        reason: String,
    },
}

/// Runs the demo. The agents end with it, however it ends.
///
/// # Errors
///
/// The first thing that did not happen.
pub async fn run() -> Result<(), DemoError> {
    let system = |error: std::io::Error| DemoError::System {
        action: "listen for signals",
        reason: error.to_string(),
    };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(system)?;
    tokio::select! {
        ended = story() => ended,
        _ = interrupt.recv() => Err(DemoError::Interrupted),
        _ = terminate.recv() => Err(DemoError::Interrupted),
    }
}

async fn story() -> Result<(), DemoError> {
    let start = Instant::now();
    heading("Three agents start, each a process with sockets of its own");
    let mut agents = Vec::new();
    let mut seed = None;
    for node_id in 1..=3 {
        let agent = Agent::start(node_id, seed).await?;
        line(&format!(
            "agent {node_id}   gossip {}   http {}",
            agent.gossip, agent.http
        ));
        seed = seed.or(Some(agent.gossip));
        agents.push(agent);
    }

    heading("Each node is enabled at its own agent");
    let mut enabled = BTreeMap::new();
    for agent in &agents {
        let capacity = capacity(agent.node_id);
        agent.enable(&capacity).await?;
        line(&format!(
            "POST /api/v1/nodes/{}/edge-cache   {}",
            agent.node_id,
            show::capacity(&capacity)
        ));
        enabled.insert(agent.node_id, (capacity, Instant::now()));
    }

    let sights = watch(&agents, &enabled).await?;
    heading("What each agent sees of the others");
    table(&sights);

    heading("Node 2 is disabled");
    let others: Vec<&Agent> = agents.iter().filter(|agent| agent.node_id != 2).collect();
    let took = drain(&agents, &others).await?;
    for (by, took) in took {
        line(&format!(
            "agent {by} saw the labels of node 2 go after {}",
            show::time(took)
        ));
    }

    heading("The agents are told to stop");
    for agent in agents {
        agent.stop().await?;
    }
    line(&format!(
        "all ended with status 0; the demo took {}",
        show::time(start.elapsed())
    ));
    Ok(())
}

/// A capacity that tells the nodes apart; the last one does not say where it is.
fn capacity(node_id: u64) -> NodeCapacity {
    let size = 1 << node_id;
    NodeCapacity {
        cpu_cores: 2_u32.saturating_mul(u32::try_from(size).unwrap_or(1)),
        ram_mib: 4_096 * size,
        disk_mib: 51_200 * size,
        geo: match node_id {
            1 => Some("eu-central-1".to_string()),
            2 => Some("us-east-1".to_string()),
            _ => None,
        },
    }
}

/// Waits until every agent sees the exact labels of every other.
async fn watch(
    agents: &[Agent],
    enabled: &BTreeMap<u64, (NodeCapacity, Instant)>,
) -> Result<Vec<Sight>, DemoError> {
    let mut missing: Vec<(&Agent, u64)> = agents
        .iter()
        .flat_map(|by| enabled.keys().map(move |&of| (by, of)))
        .filter(|(by, of)| by.node_id != *of)
        .collect();
    let progress = Progress::start("labels travel by gossip", missing.len());
    let deadline = Instant::now() + SEEN_WITHIN;
    let mut sights = Vec::new();
    loop {
        for agent in agents {
            let peers = agent.peers().await?;
            missing.retain(|&(by, of)| {
                let Some((capacity, since)) = enabled.get(&of) else {
                    return false;
                };
                let seen = peers.get(&of);
                if by.node_id != agent.node_id || seen != Some(&agent::labels(capacity)) {
                    return true;
                }
                sights.push(Sight {
                    by: by.node_id,
                    of,
                    labels: agent::labels(capacity),
                    took: since.elapsed(),
                });
                progress.step(&format!("agent {} sees node {of}", by.node_id));
                false
            });
        }
        let Some((by, of)) = missing.first() else {
            sights.sort_by_key(|sight| (sight.by, sight.of));
            return Ok(sights);
        };
        if Instant::now() > deadline {
            return Err(DemoError::NotSeen {
                by: by.node_id,
                expected: format!("the labels of node {of}"),
                seen: format!("{:?}", by.peers().await?),
            });
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Disables node 2 at its own agent and waits until the others see it.
async fn drain(agents: &[Agent], others: &[&Agent]) -> Result<Vec<(u64, Duration)>, DemoError> {
    for agent in agents.iter().filter(|agent| agent.node_id == 2) {
        agent.disable().await?;
    }
    let start = Instant::now();
    let progress = Progress::start("its labels go", others.len());
    let mut took: BTreeMap<u64, Duration> = BTreeMap::new();
    loop {
        for agent in others {
            if took.contains_key(&agent.node_id) {
                continue;
            }
            let labels = agent.peers().await?.remove(&2);
            if labels.is_some_and(|labels| labels.is_empty()) {
                took.insert(agent.node_id, start.elapsed());
                progress.step(&format!("agent {} sees it", agent.node_id));
            } else if start.elapsed() > SEEN_WITHIN {
                return Err(DemoError::NotSeen {
                    by: agent.node_id,
                    expected: "node 2 without labels".to_string(),
                    seen: format!("{:?}", agent.peers().await?),
                });
            }
        }
        if took.len() == others.len() {
            return Ok(took.into_iter().collect());
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}
