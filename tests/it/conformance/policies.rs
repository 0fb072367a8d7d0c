//! Registries that keep the contract and decide otherwise than the reference.

use std::time::SystemTime;

use edge_cache_conformance::{RegistryUnderTest, Settings, Violation};
use edge_cache_host::labels::Labels;
use edge_cache_host::{
    Candidate, Change, EdgeCacheError, EdgeCacheNode, EdgeCacheStats, Entry, NodeCapacity, NodeId,
};
use edge_cache_tests::native::NativeRegistry;

/// Difference between a policy and the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    /// No node gives more than so much disk, and where it is stays unsaid.
    Frugal { disk_mib_max: u64 },
    /// A node has one label of another name, and every node that has it counts the same.
    Terse,
    /// Nothing is published, so no node is eligible.
    Silent,
    /// Every node is eligible, with any labels.
    Trusting,
}

/// The native core under a policy.
pub(super) struct Governed {
    inner: NativeRegistry,
    policy: Policy,
}

impl Governed {
    pub(super) fn new(settings: &Settings, policy: Policy) -> Self {
        Self {
            inner: NativeRegistry::new(settings),
            policy,
        }
    }
}

impl RegistryUnderTest for Governed {
    fn enable(
        &mut self,
        node_id: NodeId,
        capacity: &NodeCapacity,
    ) -> Result<Result<EdgeCacheNode, EdgeCacheError>, Violation> {
        let mut capacity = capacity.clone();
        if let Policy::Frugal { disk_mib_max } = self.policy {
            capacity.disk_mib = capacity.disk_mib.min(disk_mib_max);
            capacity.geo = None;
        }
        self.inner.enable(node_id, &capacity)
    }

    fn disable(&mut self, node_id: NodeId) -> Result<Result<(), EdgeCacheError>, Violation> {
        self.inner.disable(node_id)
    }

    fn is_enabled(&mut self, node_id: NodeId) -> Result<bool, Violation> {
        self.inner.is_enabled(node_id)
    }

    fn list_eligible(&mut self) -> Result<Vec<EdgeCacheNode>, Violation> {
        self.inner.list_eligible()
    }

    fn stats(&mut self, node_id: NodeId) -> Result<EdgeCacheStats, Violation> {
        self.inner.stats(node_id)
    }

    fn add_stats(
        &mut self,
        node_id: NodeId,
        delta: EdgeCacheStats,
    ) -> Result<Result<EdgeCacheStats, EdgeCacheError>, Violation> {
        self.inner.add_stats(node_id, delta)
    }

    fn load(&mut self, entries: &[Entry]) -> Result<Result<(), String>, Violation> {
        self.inner.load(entries)
    }

    fn apply(&mut self, changes: &[Change]) -> Result<Result<(), String>, Violation> {
        self.inner.apply(changes)
    }

    fn assess(&mut self, node_id: NodeId, labels: &Labels) -> Result<Option<Candidate>, Violation> {
        let equal = Candidate {
            weight: 1,
            geo: None,
        };
        match self.policy {
            Policy::Frugal { .. } => self.inner.assess(node_id, labels),
            Policy::Terse => Ok(labels.contains_key("cdn").then_some(equal)),
            Policy::Silent => Ok(None),
            Policy::Trusting => Ok(Some(equal)),
        }
    }

    fn labels(&self, node_id: NodeId) -> Labels {
        let labels = self.inner.labels(node_id);
        match self.policy {
            Policy::Silent => Labels::new(),
            Policy::Terse if !labels.is_empty() => Labels::from([("cdn".into(), "yes".into())]),
            _ => labels,
        }
    }

    fn set_time(&mut self, now: SystemTime) {
        self.inner.set_time(now);
    }

    fn refuse_labels(&mut self) {
        if self.policy != Policy::Silent {
            self.inner.refuse_labels();
        }
    }

    fn refuse_own_labels(&mut self) {
        if self.policy != Policy::Silent {
            self.inner.refuse_own_labels();
        }
    }

    fn accept_labels(&mut self) {
        self.inner.accept_labels();
    }
}
