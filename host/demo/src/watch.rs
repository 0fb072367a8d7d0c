//! Waiting until agents see the expected labels.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use edge_cache_core::labels::Labels;
use edge_cache_host::NodeCapacity;

use super::agent::Agent;
use super::show;

/// The time limit for labels to arrive. A gossip round takes a second.
const SEEN_WITHIN: Duration = Duration::from_secs(10);
/// The time limit for agents to hear from each other.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// The time between two queries of an agent.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// An expectation: one agent sees exactly these labels of another node.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) by: u64,
    pub(super) of: u64,
    pub(super) labels: Labels,
    /// The time at which the change was acknowledged.
    pub(super) since: Instant,
}

/// A fulfilled expectation, and the time since the change.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) expected: Expected,
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
                expected.by == by && seen(expected.of) == Some(&expected.labels)
            });
            sights.extend(arrived.map(|expected| Sight {
                took: expected.since.elapsed(),
                expected,
            }));
            let late = missing.iter().find(|expected| expected.by == by);
            if let Some(Expected { of, labels, .. }) = late
                && Instant::now() > deadline
            {
                bail!(
                    "agent {by} did not see {} within {} s; it saw {}",
                    show::seen(*of, Some(labels)),
                    SEEN_WITHIN.as_secs(),
                    show::seen(*of, seen(*of))
                );
            }
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    sights.sort_by_key(|sight| (sight.expected.by, sight.expected.of));
    Ok(sights)
}

/// Returns the labels that the reference plugin derives from a capacity.
pub(super) fn labels(capacity: &NodeCapacity) -> Labels {
    let mut labels = Labels::from([
        ("edge_cache".to_string(), "true".to_string()),
        ("edge_cache_cpu".to_string(), capacity.cpu_cores.to_string()),
        (
            "edge_cache_ram_mib".to_string(),
            capacity.ram_mib.to_string(),
        ),
        (
            "edge_cache_disk_mib".to_string(),
            capacity.disk_mib.to_string(),
        ),
    ]);
    if let Some(geo) = &capacity.geo {
        labels.insert("edge_cache_geo".to_string(), geo.clone());
    }
    labels
}
