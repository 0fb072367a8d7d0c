//! Sample capacities for the checks.
//!
//! A policy may refuse the default samples, so the author of a plugin can supply capacities that it accepts.

use edge_cache_core::NodeCapacity;
use thiserror::Error;

/// Largest number of samples.
pub const SAMPLES_MAX: usize = 64;

/// A non-empty list of capacities that the registry under test accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Samples(Vec<NodeCapacity>);

/// An error in a list of samples.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SamplesError {
    /// The text is not a JSON list of capacities.
    #[error(
        "samples are a JSON list of capacities such as \
         [{{\"cpu_cores\": 8, \"ram_mib\": 16384, \"disk_mib\": 512000, \"geo\": \"eu-central-1\"}}]"
    )]
    Format(#[source] serde_json::Error),
    /// The list is empty or too long.
    #[error("there must be 1 to {SAMPLES_MAX} samples, found {0}")]
    Count(usize),
    /// The capacity breaks a bound of the contract, so no host passes it to a plugin.
    #[error("sample {number} is not a valid capacity: {reason}")]
    Capacity {
        /// Position in the list, from 1.
        number: usize,
        /// Broken bound.
        reason: String,
    },
}

impl Samples {
    /// Checks the number and the bounds of the capacities.
    ///
    /// # Errors
    ///
    /// [`SamplesError::Count`] and [`SamplesError::Capacity`].
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

    /// Parses a JSON list of capacities, each in the format of the HTTP API.
    ///
    /// # Errors
    ///
    /// Any [`SamplesError`].
    pub fn from_json(json: &[u8]) -> Result<Self, SamplesError> {
        Self::new(serde_json::from_slice(json).map_err(SamplesError::Format)?)
    }

    /// Returns all samples.
    pub fn all(&self) -> &[NodeCapacity] {
        &self.0
    }

    /// Returns the `nth` sample, starting over after the last one.
    pub fn nth(&self, nth: usize) -> NodeCapacity {
        let index = nth.checked_rem(self.0.len()).unwrap_or_default();
        let fallback = || sample(1, 1, 1, None);
        self.0.get(index).cloned().unwrap_or_else(fallback)
    }
}

impl Default for Samples {
    /// Returns large and small nodes in several regions, one of them without a geo.
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
