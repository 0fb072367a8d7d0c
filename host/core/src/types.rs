//! Types of the registry's data.
//!
//! Names and fields are those of the native registry, so that embedders can migrate. The sandbox checks every
//! bound when it converts a value of a plugin to these types.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray, VariantNames};

use crate::text::is_unprintable;

#[cfg(test)]
mod tests;

/// Number of a node in its cluster.
pub type NodeId = u64;

/// Longest `geo`, in bytes.
pub const GEO_BYTES_MAX: usize = 64;

/// The year 10000 in milliseconds since the Unix epoch: the first time that RFC 3339 cannot express.
pub(crate) const MS_END: u64 = 253_402_300_800_000;

/// Resources that a node offers for cache work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NodeCapacity {
    /// Processor cores.
    #[cfg_attr(feature = "openapi", schema(maximum = 4294967295u64))]
    pub cpu_cores: u32,
    /// Memory, in MiB.
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub ram_mib: u64,
    /// Disk, in MiB.
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub disk_mib: u64,
    /// Location of the node: 1 to 64 bytes of printable text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(
            min_length = 1,
            max_length = 64,
            pattern = r"^[^\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]*$"
        )
    )]
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

impl EdgeCacheNode {
    /// Checks the bounds of the capacity, and that the node was enabled before the year 10000.
    ///
    /// # Errors
    ///
    /// The text names the node and the bound.
    pub fn check(&self) -> Result<(), String> {
        let node_id = self.node_id;
        self.capacity
            .check()
            .map_err(|reason| format!("the capacity of node {node_id} is invalid: {reason}"))?;
        if self.enabled_at >= time_of(u64::MAX) {
            return Err(format!(
                "enabled-at of node {node_id} must be before the year 10000"
            ));
        }
        Ok(())
    }
}

/// Cache counters of a node since it was last enabled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EdgeCacheStats {
    /// Number of requests that the cache served.
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub hits: u64,
    /// Number of requests that were passed on to the origin.
    #[cfg_attr(feature = "openapi", schema(maximum = 18446744073709551615u64))]
    pub misses: u64,
}

impl EdgeCacheStats {
    /// Returns the sum. A counter stays at its largest value.
    #[must_use]
    pub fn plus(self, added: Self) -> Self {
        Self {
            hits: self.hits.saturating_add(added.hits),
            misses: self.misses.saturating_add(added.misses),
        }
    }

    /// Returns the requests that a source has counted since its last counters. If one of the two has fallen, the source
    /// has counted both from zero.
    #[must_use]
    pub fn since(self, last: Self) -> Self {
        let hits = self.hits.checked_sub(last.hits);
        let misses = self.misses.checked_sub(last.misses);
        hits.zip(misses)
            .map_or(self, |(hits, misses)| Self { hits, misses })
    }

    /// Returns the share of hits, from 0 to 1; `None` without any requests.
    #[must_use]
    pub fn hit_ratio(self) -> Option<f64> {
        let hits = self.hits as f64;
        let requests = hits + self.misses as f64;
        (requests > 0.0).then(|| hits / requests)
    }
}

/// Counters of a node, as its own agent publishes them in gossip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedStats {
    /// Time at which the counted node was enabled, in milliseconds since the Unix epoch.
    pub enabled_at_ms: u64,
    /// Number of requests that the cache served.
    pub hits: u64,
    /// Number of requests that were passed on to the origin.
    pub misses: u64,
}

impl PublishedStats {
    /// Maximum size of an encoded value, in bytes: more than the three largest numbers take.
    pub const BYTES_MAX: usize = 128;

    /// Returns the key of a node's counters in gossip.
    #[must_use]
    pub fn key(node_id: NodeId) -> String {
        format!("edge_cache_stats:{node_id}")
    }

    /// Encodes the counters for gossip.
    pub fn encode(&self) -> String {
        // Numbers always encode.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Decodes a value from gossip. Returns `None` if it is too long, not the expected JSON, or of the year 10000 or
    /// later.
    pub fn decode(value: &str) -> Option<Self> {
        let is_short = value.len() <= Self::BYTES_MAX;
        let stats: Self = is_short.then(|| serde_json::from_str(value).ok())??;
        (stats.enabled_at_ms < MS_END).then_some(stats)
    }
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

/// Status of a member of the cluster.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
    VariantNames,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum MemberStatus {
    /// The member takes part.
    Alive,
    /// The member has announced that it is about to stop.
    Leaving,
    /// The member has announced that it stops, and is silent. It is forgotten some minutes later.
    Left,
    /// The member is silent without a word. It is forgotten after 72 hours.
    Failed,
}

/// State of a registry's plugin.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Display, IntoStaticStr, VariantArray,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum PluginState {
    /// The first instance is being started.
    Starting,
    /// The plugin accepts changes.
    Running,
    /// A fresh instance is about to be started; changes wait.
    Restarting,
    /// The plugin failed too often: reads go on, changes are refused, a fresh instance is tried every 30 s.
    Degraded,
}

/// Severity of a log line of a plugin.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, IntoStaticStr,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
#[allow(missing_docs, reason = "the levels are those of `wasi:logging`")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

/// Returns the milliseconds since the Unix epoch; 0 before it.
pub fn ms_of(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the time of milliseconds since the Unix epoch; from the year 10000 on, its first moment.
pub fn time_of(ms: u64) -> SystemTime {
    UNIX_EPOCH
        .checked_add(Duration::from_millis(ms.min(MS_END)))
        .unwrap_or(UNIX_EPOCH)
}
