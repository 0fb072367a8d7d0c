//! Metrics of a pool, and their registration.

use std::fmt;
use std::sync::{Arc, Weak};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use strum::VariantArray;

use super::{GossipPool, Shared};
use crate::metrics::GossipMetrics;
use crate::{ClusterMember, MemberStatus};

impl GossipPool {
    /// Returns the counters of this pool.
    #[must_use]
    pub fn metrics(&self) -> &GossipMetrics {
        &self.shared.metrics
    }

    /// Registers the metrics of this pool. The documented names have the prefix `edge_cache`, which is the
    /// registry's.
    ///
    /// The registry does not keep the pool alive: gauges of a dropped pool are left out.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.metrics().register(registry);
        let shared = Arc::downgrade(&self.shared);
        registry.register_collector(Box::new(Gauges { shared }));
    }
}

/// Gauges that are computed when metrics are read.
struct Gauges {
    shared: Weak<Shared>,
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(shared) = self.shared.upgrade() else {
            return Ok(());
        };
        let pool = GossipPool { shared };
        let mut gauge = |name, help, value: u64| {
            let encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(encoder)
        };
        gauge(
            "gossip_running",
            "1 while this agent takes part in gossip.",
            pool.is_running().into(),
        )?;
        gauge(
            "gossip_pending_decisions",
            "Decisions of other agents that wait to be applied.",
            whole(pool.pending_decisions()),
        )?;
        gauge(
            "policy_mismatches",
            "Live agents that run another plugin, or the same with other settings.",
            whole(pool.policy_mismatches().len()),
        )?;
        let mut members = encoder.encode_descriptor(
            "gossip_members",
            "Known members by status, this agent included.",
            None,
            MetricType::Gauge,
        )?;
        let known = pool.members();
        for &status in MemberStatus::VARIANTS {
            let name: &str = status.into();
            let has_status = |member: &&ClusterMember| member.status == status;
            let count = known.iter().filter(has_status).count();
            ConstGauge::new(whole(count)).encode(members.encode_family(&[("status", name)])?)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauges").finish_non_exhaustive()
    }
}

fn whole(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
