//! Waiting until agents see the expected labels.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use edge_cache_core::labels::Labels;

use super::agent::Agent;

/// The time limit for labels to arrive. A gossip round takes a second.
const SEEN_WITHIN: Duration = Duration::from_secs(10);
/// The time limit for agents to hear from each other.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// The time between two queries of an agent.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// An expectation: one agent sees labels of another node, or none any more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub(super) by: u64,
    pub(super) of: u64,
    pub(super) has_labels: bool,
    /// The time at which the change was acknowledged.
    pub(super) since: Instant,
}

/// The label of a node that may serve as an edge cache.
const ELIGIBLE: &str = "edge_cache";

/// A fulfilled expectation, the seen labels, and the time since the change.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) expected: Expected,
    pub(super) labels: Labels,
    pub(super) took: Duration,
}

/// Waits until all agents are ready: before that they refuse changes, since they may not have heard what is decided.
pub(super) async fn ready(agents: &[Agent]) -> Result<()> {
    let deadline = Instant::now() + READY_WITHIN;
    for agent in agents {
        while let Err(error) = agent.send(agent.client.readyz()).await {
            if Instant::now() > deadline {
                return Err(error);
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
    Ok(())
}

/// Queries the agents until all expectations are fulfilled. Sorted by observer and node.
pub(super) async fn watch(agents: &[Agent], mut missing: Vec<Expected>) -> Result<Vec<Sight>> {
    let deadline = Instant::now() + SEEN_WITHIN;
    let mut sights = Vec::with_capacity(missing.len());
    while !missing.is_empty() {
        for agent in agents {
            let by = agent.node_id;
            if missing.iter().all(|expected| expected.by != by) {
                continue;
            }
            let peers = agent.send(agent.client.peers()).await?;
            let seen = |of: u64| {
                let peer = peers.iter().find(|peer| peer.node_id == of);
                peer.map(|peer| &peer.labels)
            };
            let arrived = missing.extract_if(.., |expected| {
                let labels = seen(expected.of);
                expected.by == by
                    && labels
                        .is_some_and(|labels| labels.contains_key(ELIGIBLE) == expected.has_labels)
            });
            sights.extend(arrived.map(|expected| Sight {
                expected,
                labels: seen(expected.of).cloned().unwrap_or_default(),
                took: expected.since.elapsed(),
            }));
            let late = missing.iter().find(|expected| expected.by == by);
            if let Some(late) = late
                && Instant::now() > deadline
            {
                bail!(
                    "{late:?} was not fulfilled within {} s: agent {by} sees {:?}",
                    SEEN_WITHIN.as_secs(),
                    seen(late.of)
                );
            }
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    sights.sort_by_key(|sight| (sight.expected.by, sight.expected.of));
    Ok(sights)
}
