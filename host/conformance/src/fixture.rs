//! Registries, entries and times that the checks start from.

use std::time::{Duration, SystemTime};

use edge_cache_core::{EdgeCacheNode, EdgeCacheStats, Entry, NodeCapacity, NodeId};

use crate::check::{Factory, Settings};
use crate::describe::{Describe, expect_eq};
use crate::registry::{RegistryUnderTest, Violation};

/// 2026-01-01T00:00:00Z in seconds since 1970, the start of the suite's clock.
const START_SECONDS: u64 = 1_767_225_600;

/// Makes a registry with default settings that has loaded an empty state.
///
/// # Errors
///
/// The registry cannot be made, or refuses the empty state.
pub fn fresh(factory: &Factory<'_>) -> Result<Box<dyn RegistryUnderTest>, Violation> {
    let mut registry = factory(&Settings::new())?;
    registry.set_time(at(1_000));
    load_empty(&mut *registry)?;
    Ok(registry)
}

/// Loads an empty state, which must succeed.
pub(crate) fn load_empty(registry: &mut dyn RegistryUnderTest) -> Result<(), Violation> {
    registry
        .load(&[])?
        .map_err(|reason| format!("it refused to load nothing: {reason}"))
}

/// Returns the time `millis` milliseconds after the start of 2026.
pub(crate) fn at(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(START_SECONDS) + Duration::from_millis(millis)
}

/// Enables a node with the `nth` sample of the registry and returns the registry's answer.
pub(crate) fn enabled(
    registry: &mut dyn RegistryUnderTest,
    node_id: NodeId,
    nth: usize,
) -> Result<EdgeCacheNode, Violation> {
    let sample = registry.sample(nth);
    registry.enable(node_id, &sample)?.map_err(|error| {
        format!(
            "enable of node {node_id} must succeed, found {}",
            error.describe()
        )
    })
}

/// Adds to the counters of a fresh node, which must then have this total.
pub(crate) fn counted(
    registry: &mut dyn RegistryUnderTest,
    node_id: NodeId,
    total: EdgeCacheStats,
) -> Result<(), Violation> {
    let found = registry.add_stats(node_id, total)?;
    expect_eq("add-stats", &found, &Ok(total))
}

/// Makes an entry that was enabled `node_id` milliseconds after the start of 2026.
pub fn entry(node_id: NodeId, capacity: NodeCapacity, stats: EdgeCacheStats) -> Entry {
    Entry {
        node: EdgeCacheNode {
            node_id,
            capacity,
            enabled_at: at(node_id),
        },
        stats,
    }
}

/// Makes counters.
pub const fn counters(hits: u64, misses: u64) -> EdgeCacheStats {
    EdgeCacheStats { hits, misses }
}
