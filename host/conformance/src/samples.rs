//! Sample capacities for the checks.
//!
//! A policy may refuse the default samples, so the author of a plugin can supply capacities that it accepts.

use edge_cache_core::NodeCapacity;

/// Largest number of samples.
pub const SAMPLES_MAX: usize = 64;

/// A non-empty list of capacities that the registry under test accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Samples(Vec<NodeCapacity>);

/// The expected format, for errors.
const FORMAT: &str = "samples are a JSON list of capacities such as \
    [{\"cpu_cores\": 8, \"ram_mib\": 16384, \"disk_mib\": 512000, \"geo\": \"eu-central-1\"}]";

impl Samples {
    /// Checks the number and the bounds of the capacities.
    ///
    /// # Errors
    ///
    /// The text names the broken bound. No host passes a capacity that breaks one to a plugin.
    pub fn new(capacities: Vec<NodeCapacity>) -> Result<Self, String> {
        let count = capacities.len();
        if !(1..=SAMPLES_MAX).contains(&count) {
            return Err(format!(
                "there must be 1 to {SAMPLES_MAX} samples, found {count}"
            ));
        }
        for (number, capacity) in (1..).zip(&capacities) {
            let valid = capacity.check();
            valid.map_err(|reason| format!("sample {number} is not a valid capacity: {reason}"))?;
        }
        Ok(Self(capacities))
    }

    /// Parses a JSON list of capacities, each in the format of the HTTP API.
    ///
    /// # Errors
    ///
    /// The text shows the format, or names the broken bound.
    pub fn from_json(json: &[u8]) -> Result<Self, String> {
        Self::new(serde_json::from_slice(json).map_err(|error| format!("{FORMAT}: {error}"))?)
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
