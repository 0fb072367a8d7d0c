//! The assessment of a node by its labels.

#[cfg(test)]
mod tests;

use crate::capacity::NodeCapacity;
use crate::labels::{Label, LabelFault, advertised_capacity};
use crate::settings::{Settings, WeightBy};

/// Smallest weight of a candidate.
pub const MIN_WEIGHT: u32 = 1;
/// Largest weight of a candidate.
pub const MAX_WEIGHT: u32 = 65_535;

const MIB_PER_GIB: u64 = 1_024;

/// A node that cache traffic may be routed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Share of the traffic relative to the other weights: [`MIN_WEIGHT`] to [`MAX_WEIGHT`].
    pub weight: u32,
    /// Location, within the bounds of a capacity's geo.
    pub geo: Option<String>,
}

/// Assesses a node by its labels. Returns none if it is not an edge cache.
///
/// The result depends only on the labels and the settings.
///
/// # Errors
///
/// The node is marked as an edge cache, but its labels are invalid, so it is not eligible.
pub fn assess(labels: &[Label], settings: Settings) -> Result<Option<Candidate>, LabelFault> {
    let advertised = advertised_capacity(labels)?;
    Ok(advertised.map(|capacity| Candidate {
        weight: weight(&capacity, settings.weight),
        geo: capacity.geo,
    }))
}

/// Returns the weight of a node, within the bounds of the contract.
fn weight(capacity: &NodeCapacity, by: WeightBy) -> u32 {
    let share = match by {
        WeightBy::Disk => capacity.disk_mib / MIB_PER_GIB,
        WeightBy::Ram => capacity.ram_mib / MIB_PER_GIB,
        WeightBy::Cpu => u64::from(capacity.cpu_cores),
        WeightBy::Equal => 1,
    };
    u32::try_from(share)
        .unwrap_or(MAX_WEIGHT)
        .clamp(MIN_WEIGHT, MAX_WEIGHT)
}
