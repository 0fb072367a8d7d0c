//! The capacities that a suite works with.
//!
//! A policy may refuse what another takes, so whoever wrote it may bring capacities that it takes.

use thiserror::Error;

use edge_cache_core::NodeCapacity;

/// How many capacities a file of samples may hold.
pub const SAMPLES_MAX: usize = 64;

/// Capacities that a registry takes; never none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Samples(Vec<NodeCapacity>);

/// Why capacities are no samples.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SamplesError {
    /// The text is something else.
    #[error(
        "samples are a JSON list of capacities such as \
         [{{\"cpu_cores\": 8, \"ram_mib\": 16384, \"disk_mib\": 512000, \"geo\": \"eu-central-1\"}}]"
    )]
    Format(#[source] serde_json::Error),
    /// There are none, or too many.
    #[error("there must be 1 to {SAMPLES_MAX} samples, found {0}")]
    Count(usize),
    /// No host would hand this one to a component.
    #[error("sample {number} is no capacity: {reason}")]
    Capacity {
        /// Its place in the list, from 1 on.
        number: usize,
        /// The bound that it breaks.
        reason: String,
    },
}

impl Samples {
    /// Takes these capacities.
    ///
    /// # Errors
    ///
    /// There are none or too many of them, or one breaks a bound of the contract.
    pub fn new(capacities: Vec<NodeCapacity>) -> Result<Self, SamplesError> {
        if capacities.is_empty() || capacities.len() > SAMPLES_MAX {
            return Err(SamplesError::Count(capacities.len()));
        }
        for (number, capacity) in (1..).zip(&capacities) {
            capacity
                .check()
                .map_err(|reason| SamplesError::Capacity { number, reason })?;
        }
        Ok(Self(capacities))
    }

    /// Reads a JSON list of capacities, each as the HTTP API takes it.
    ///
    /// # Errors
    ///
    /// It is something else, or these are no samples.
    pub fn from_json(json: &[u8]) -> Result<Self, SamplesError> {
        Self::new(serde_json::from_slice(json).map_err(SamplesError::Format)?)
    }

    /// All of them.
    pub fn all(&self) -> &[NodeCapacity] {
        &self.0
    }

    /// The `nth`; after the last one they begin again.
    pub fn nth(&self, nth: usize) -> NodeCapacity {
        let index = nth.checked_rem(self.0.len()).unwrap_or_default();
        let nothing = || sample(1, 1, 1, None);
        self.0.get(index).cloned().unwrap_or_else(nothing)
    }
}

impl Default for Samples {
    /// Nodes as clusters have them: large and small, here and there, one that does not say where.
    fn default() -> Self {
        Self(vec![
            sample(8, 16_384, 512_000, Some("eu-central-1")),
            sample(4, 8_192, 102_400, Some("eu-central-1")),
            sample(64, 262_144, 4_096_000, Some("us-east-1")),
            sample(1, 1_024, 10_240, None),
        ])
    }
}

fn sample(cpu_cores: u32, ram_mib: u64, disk_mib: u64, geo: Option<&str>) -> NodeCapacity {
    NodeCapacity {
        cpu_cores,
        ram_mib,
        disk_mib,
        geo: geo.map(str::to_string),
    }
}

#[cfg(test)]
mod tests;
