//! Types of the registry's data.
//!
//! Names and fields are those of the native registry, so that embedders can migrate. The sandbox checks every
//! bound when it converts a value of a plugin to these types.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::text::is_unprintable;

/// Number of a node in its cluster.
pub type NodeId = u64;

/// Longest `geo`, in bytes.
pub const GEO_BYTES_MAX: usize = 64;

/// Resources that a node offers for cache work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeCapacity {
    /// Processor cores.
    pub cpu_cores: u32,
    /// Memory, in MiB.
    pub ram_mib: u64,
    /// Disk, in MiB.
    pub disk_mib: u64,
    /// Location of the node: 1 to [`GEO_BYTES_MAX`] bytes of printable text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geo: Option<String>,
}

impl NodeCapacity {
    /// Checks the bounds of the contract (`types.wit`).
    ///
    /// # Errors
    ///
    /// The text names the field and the bound, and repeats nothing of the input.
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
///
/// # Errors
///
/// The text names the bound, and repeats nothing of the input.
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

/// A node that is eligible as an edge cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeCacheNode {
    /// Id of the node.
    pub node_id: NodeId,
    /// Offered resources.
    pub capacity: NodeCapacity,
    /// Time at which it was last enabled, in whole milliseconds.
    pub enabled_at: SystemTime,
}

/// Cache counters of a node since it was last enabled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdgeCacheStats {
    /// Number of requests that the cache served.
    pub hits: u64,
    /// Number of requests that were passed on to the origin.
    pub misses: u64,
}

/// Entry of one node in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Node.
    pub node: EdgeCacheNode,
    /// Counters.
    pub stats: EdgeCacheStats,
}

/// A decision of another agent; see `state.apply` in the WIT package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Adds or replaces the entry of a node.
    Put(Entry),
    /// Removes a node, which may be unknown.
    Remove(NodeId),
}
