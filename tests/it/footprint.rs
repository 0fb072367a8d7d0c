//! Memory of agent processes in a cluster of fifty that are all eligible.

use std::time::Duration;

use edge_cache_tests::long_tests;
use edge_cache_tests::wait::until;
use futures_util::future::join_all;
use tempfile::TempDir;

use crate::gossip_node::{Node, meet, metric};

const AGENTS: u64 = 50;
/// Starts at once. Each compiles its plugin.
const STARTS: usize = 5;
const RESIDENT_BYTES_MAX: f64 = 100e6;
const SETTLED_WITHIN: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_fifty_agents_takes_less_than_100_megabytes() {
    if !long_tests() {
        println!("skipped: EDGE_CACHE_LONG_TESTS=1 runs it");
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let mut nodes = vec![start(1, &data, None).await];
    let seed = nodes[0].gossip.to_string();
    let ids: Vec<u64> = (2..=AGENTS).collect();
    for ids in ids.chunks(STARTS) {
        nodes.extend(join_all(ids.iter().map(|id| start(*id, &data, Some(&seed)))).await);
    }
    meet(&nodes.iter().collect::<Vec<_>>(), SETTLED_WITHIN).await;
    join_all(nodes.iter().map(|node| node.enable(4))).await;
    for node in &nodes {
        until("all nodes eligible", SETTLED_WITHIN, || async {
            let eligible = metric(node, "edge_cache_nodes").await;
            if eligible == AGENTS as f64 {
                Ok(())
            } else {
                Err(eligible)
            }
        })
        .await;
    }

    let mut resident = Vec::new();
    for node in &nodes {
        resident.push(metric(node, "process_resident_memory_bytes").await);
    }
    resident.sort_by(f64::total_cmp);
    let megabytes = |index: usize| resident[index] / 1e6;
    println!(
        "resident memory of {AGENTS} agents: least {:.1} MB, median {:.1} MB, most {:.1} MB",
        megabytes(0),
        megabytes(resident.len() / 2),
        megabytes(resident.len() - 1),
    );
    assert!(resident.iter().all(|bytes| *bytes < RESIDENT_BYTES_MAX));
}

/// Starts an agent with a store of its own.
async fn start(id: u64, data: &TempDir, seed: Option<&str>) -> Node {
    let own = data.path().join(id.to_string());
    let mut args = vec!["--data-dir", own.to_str().unwrap()];
    args.extend(seed.into_iter().flat_map(|seed| ["--seed", seed]));
    Node::start(id, &args).await.unwrap()
}
