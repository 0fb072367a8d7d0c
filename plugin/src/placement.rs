//! The judgement of a node by the labels that it advertises.

#[cfg(test)]
mod tests;

use crate::labels::{AdvertisedCapacity, Label, LabelFault};
use crate::settings::{Settings, WeightBy};

/// The least weight of a candidate.
pub const MIN_WEIGHT: u32 = 1;
/// The greatest weight of a candidate.
pub const MAX_WEIGHT: u32 = 65_535;

const MIB_PER_GIB: u64 = 1_024;

/// A node that cache traffic may be routed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its share of the traffic beside the weights of the others: [`MIN_WEIGHT`] to [`MAX_WEIGHT`].
    pub weight: u32,
    /// Where it is, within the bounds of a capacity's geo.
    pub geo: Option<String>,
}

/// Judges a node by its labels, those of other software included. None where it is no edge cache.
///
/// The same labels and settings always give the same answer.
///
/// # Errors
///
/// The node calls itself an edge cache, but its labels can't be read. It is not eligible then.
pub fn assess(labels: &[Label], settings: Settings) -> Result<Option<Candidate>, LabelFault> {
    let advertised = AdvertisedCapacity::from_labels(labels)?;
    Ok(advertised.map(|capacity| Candidate {
        weight: weight(&capacity, settings.weight),
        geo: capacity.geo,
    }))
}

/// An edge cache always gets some traffic, however little it offers, and none gets more than fits
/// the arithmetic of the routing table.
fn weight(capacity: &AdvertisedCapacity, by: WeightBy) -> u32 {
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
