//! A policy: nodes need some disk, and those without a geo get no traffic.

use edge_cache_sdk::{Candidate, Labels, NodeCapacity, NodeId, Policy, Settings, export};

struct Spacious(u64);

impl Policy for Spacious {
    const SETTINGS: &[&str] = &["least_disk_mib"];

    fn new(settings: &Settings) -> Result<Self, String> {
        Ok(Self(settings.parse("least_disk_mib")?.unwrap_or(10_240)))
    }

    fn admit(&self, _: NodeId, capacity: NodeCapacity) -> Result<NodeCapacity, String> {
        match capacity.disk_mib < self.0 {
            true => Err(format!("disk_mib must be at least {}", self.0)),
            false => Ok(capacity),
        }
    }

    fn assess(&self, _: NodeId, _: &Labels, default: Option<Candidate>) -> Option<Candidate> {
        default.filter(|candidate| candidate.geo.is_some())
    }
}

export!(Spacious);

#[cfg(test)]
mod tests;
