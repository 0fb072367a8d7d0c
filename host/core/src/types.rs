//! The data of the registry as the host holds it.
//!
//! The names and fields are those of the native registry, so that an embedder can move over. Values from
//! a component become these types in `sandbox::convert` only, where every bound is checked.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::text::is_unprintable;

/// The number of a node in its cluster.
pub type NodeId = u64;

/// The longest `geo`, in bytes.
pub const GEO_BYTES_MAX: usize = 64;

/// What a node is willing to spend on cache work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeCapacity {
    /// Processor cores.
    pub cpu_cores: u32,
    /// Memory, in MiB.
    pub ram_mib: u64,
    /// Disk, in MiB.
    pub disk_mib: u64,
    /// Where the node is: 1 to [`GEO_BYTES_MAX`] printable bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geo: Option<String>,
}

impl NodeCapacity {
    /// Checks the bounds of the contract (`types.wit`). The text of the error names the field and the
    /// bound, and holds nothing of the input.
    pub fn check(&self) -> Result<(), String> {
        if self.cpu_cores == 0 && self.ram_mib == 0 && self.disk_mib == 0 {
            return Err(
                "cpu_cores, ram_mib and disk_mib are all zero; at least one must not be".into(),
            );
        }
        self.geo.as_deref().map_or(Ok(()), check_geo)
    }
}

/// Checks the bounds of a `geo`.
pub fn check_geo(geo: &str) -> Result<(), String> {
    if geo.is_empty() || geo.len() > GEO_BYTES_MAX {
        return Err(format!(
            "geo must be 1 to {GEO_BYTES_MAX} bytes, got {}",
            geo.len()
        ));
    }
    if geo.chars().any(is_unprintable) {
        return Err(
            "geo must be printable: no control characters and no direction marks".to_string(),
        );
    }
    Ok(())
}

/// One node that is eligible as an edge cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeCacheNode {
    /// The node.
    pub node_id: NodeId,
    /// What it gives.
    pub capacity: NodeCapacity,
    /// When it was enabled last, in whole milliseconds.
    pub enabled_at: SystemTime,
}

/// The cache counters of a node since it was enabled last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdgeCacheStats {
    /// Requests that the cache served.
    pub hits: u64,
    /// Requests that went on to the origin.
    pub misses: u64,
}

/// All that the registry knows of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The node.
    pub node: EdgeCacheNode,
    /// Its counters.
    pub stats: EdgeCacheStats,
}

/// One decision that was taken elsewhere; see `state.apply` in the WIT package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// This entry holds now.
    Put(Entry),
    /// The node is not registered any more.
    Remove(NodeId),
}
