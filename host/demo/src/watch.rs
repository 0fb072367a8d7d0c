//! Waiting until agents see the expected labels.

use std::time::{Duration, Instant};

use super::agent::Agent;
use super::error::DemoError;
use super::observation::{Expected, Sight};
use super::show::{self, Progress};
use edge_cache_core::labels::Labels;
use edge_cache_host::NodeCapacity;

/// The time limit for labels to arrive. A gossip round takes a second.
const SEEN_WITHIN: Duration = Duration::from_secs(10);
/// The time between two queries of an agent.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Queries the agents until all expectations are fulfilled. Sorted by observer and node.
pub(super) async fn watch(
    agents: &[Agent],
    mut missing: Vec<Expected>,
    title: &'static str,
) -> Result<Vec<Sight>, DemoError> {
    let progress = Progress::start(title, missing.len());
    let deadline = Instant::now() + SEEN_WITHIN;
    let mut sights = Vec::with_capacity(missing.len());
    while !missing.is_empty() {
        for agent in agents {
            if missing.iter().all(|expected| expected.by != agent.node_id) {
                continue;
            }
            let peers = agent.client.peers().await?;
            let arrived = missing.extract_if(.., |expected| {
                expected.by == agent.node_id && peers.get(&expected.of) == Some(&expected.labels)
            });
            for Expected {
                by,
                of,
                labels,
                since,
            } in arrived
            {
                let took = since.elapsed();
                let how = if labels.is_empty() { "without" } else { "with" };
                progress.step(&format!("agent {by} sees node {of} {how} labels"), took);
                sights.push(Sight {
                    by,
                    of,
                    labels,
                    took,
                });
            }
            let late = missing.iter().find(|expected| expected.by == agent.node_id);
            if let Some(expected) = late
                && Instant::now() > deadline
            {
                return Err(DemoError::NotSeen {
                    by: agent.node_id,
                    expected: show::seen(expected.of, Some(&expected.labels)),
                    seen: show::seen(expected.of, peers.get(&expected.of)),
                    within: SEEN_WITHIN,
                });
            }
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    sights.sort_by_key(|sight| (sight.by, sight.of));
    Ok(sights)
}

/// Returns the labels that the reference plugin derives from a capacity.
pub(super) fn labels(capacity: &NodeCapacity) -> Labels {
    let geo = capacity
        .geo
        .clone()
        .map(|geo| ("edge_cache_geo".to_string(), geo));
    [
        ("edge_cache", "true".to_string()),
        ("edge_cache_cpu", capacity.cpu_cores.to_string()),
        ("edge_cache_ram_mib", capacity.ram_mib.to_string()),
        ("edge_cache_disk_mib", capacity.disk_mib.to_string()),
    ]
    .map(|(key, value)| (key.to_string(), value))
    .into_iter()
    .chain(geo)
    .collect()
}
