//! Labels and capacities that the checks of the reference plugin share.

use edge_cache_core::NodeCapacity;
use edge_cache_core::labels::Labels;

use crate::describe::expect_eq;
use crate::registry::{RegistryUnderTest, Violation};

pub(super) fn pairs(pairs: &[(&str, &str)]) -> Labels {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_string(), (*value).to_string()))
        .collect()
}

/// Enables node 1, which must succeed.
pub(super) fn enable(
    registry: &mut dyn RegistryUnderTest,
    capacity: &NodeCapacity,
) -> Result<(), Violation> {
    expect_eq("enable", &registry.enable(1, capacity)?.map(drop), &Ok(()))
}

pub(super) fn capacity(disk_mib: u64) -> NodeCapacity {
    NodeCapacity {
        cpu_cores: 8,
        ram_mib: 16_384,
        disk_mib,
        geo: Some("eu-central-1".to_string()),
    }
}
