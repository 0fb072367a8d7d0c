//! Shared parts of the benchmarks: a registry to measure, the baseline beside it, and the line that compares the
//! two.
//!
//! These machines are shared and noisy, so a ratio is of two measurements of the same run, and nothing here
//! fails on a time.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context, Result};
use edge_cache_host::{EdgeCacheNode, NodeCapacity, NodeId};
use tokio::sync::RwLock;

/// A registry as one would write it natively: a map behind an async lock.
#[derive(Debug, Default)]
pub struct LockedRegistry {
    nodes: RwLock<HashMap<NodeId, EdgeCacheNode>>,
}

impl LockedRegistry {
    /// Overwrites or adds a node.
    pub async fn enable(&self, node_id: NodeId, capacity: NodeCapacity) {
        let node = EdgeCacheNode {
            node_id,
            capacity,
            enabled_at: SystemTime::now(),
        };
        self.nodes.write().await.insert(node_id, node);
    }

    /// Returns `true` if the node is registered.
    pub async fn is_enabled(&self, node_id: NodeId) -> bool {
        self.nodes.read().await.contains_key(&node_id)
    }

    /// A copy of all nodes.
    pub async fn list_eligible(&self) -> Vec<EdgeCacheNode> {
        self.nodes.read().await.values().cloned().collect()
    }
}

/// The capacity that benchmarks register.
pub fn capacity(node_id: NodeId) -> NodeCapacity {
    NodeCapacity {
        cpu_cores: 8,
        ram_mib: 16_384,
        disk_mib: 102_400 + node_id,
        geo: Some("eu-central-1".to_string()),
    }
}

/// Prints how two of criterion's measurements of this run compare.
pub fn print_ratio(group: &str, ours: &str, baseline: &str) -> Result<()> {
    let (a, b) = (median_ns(group, ours)?, median_ns(group, baseline)?);
    println!(
        "ratio {group}: {ours} {a:.0} ns / {baseline} {b:.0} ns = {:.3}",
        a / b
    );
    Ok(())
}

/// The median that criterion has just written for a benchmark.
fn median_ns(group: &str, id: &str) -> Result<f64> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")),
        PathBuf::from,
    );
    let path = target
        .join("criterion")
        .join(group.replace('/', "_"))
        .join(id)
        .join("new/estimates.json");
    let text = std::fs::read(&path).with_context(|| format!("{} is not there", path.display()))?;
    let estimates: serde_json::Value = serde_json::from_slice(&text)?;
    estimates
        .pointer("/median/point_estimate")
        .and_then(serde_json::Value::as_f64)
        .with_context(|| format!("{} has no median", path.display()))
}
