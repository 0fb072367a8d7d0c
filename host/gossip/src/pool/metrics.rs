//! Metrics of a pool, and their registration.

use std::fmt;

use edge_cache_core::metrics::{Computed, MetricsWriter};
use prometheus_client::registry::Registry;
use strum::VariantArray;

use super::GossipPool;
use crate::metrics::GossipMetrics;
use crate::{ClusterMember, MemberStatus, Trouble};

impl GossipPool {
    /// Returns the counters of this pool.
    #[must_use]
    pub fn metrics(&self) -> &GossipMetrics {
        &self.shared.membership.metrics
    }

    /// Registers the metrics of this pool. The documented names have the prefix `edge_cache`, which is the
    /// registry's.
    ///
    /// The registry does not keep the pool alive: gauges of a dropped pool are left out.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.metrics().register(registry);
        let gauges = Computed::new(&self.shared, |shared, writer| Self { shared }.write(writer));
        registry.register_collector(gauges);
    }

    fn write(&self, writer: &mut MetricsWriter<'_>) -> fmt::Result {
        writer.gauge(
            "gossip_running",
            "1 while this agent takes part in gossip.",
            self.is_running(),
        )?;
        writer.gauge(
            "gossip_pending_decisions",
            "Decisions of other agents that wait to be applied.",
            self.pending_decisions(),
        )?;
        writer.gauge(
            "policy_mismatches",
            "Live agents that run another plugin, or the same with other settings.",
            self.policy_mismatches().len(),
        )?;
        let troubles = self.troubles();
        writer.gauges(
            "gossip_troubles",
            "1 for each trouble that this agent has as a member.",
            "trouble",
            <Trouble as strum::VariantNames>::VARIANTS
                .iter()
                .map(|kind| {
                    let is_there = troubles.iter().any(|trouble| trouble.kind() == *kind);
                    (*kind, usize::from(is_there))
                }),
        )?;
        let known = self.members();
        writer.gauges(
            "gossip_members",
            "Known members by status, this agent included.",
            "status",
            MemberStatus::VARIANTS.iter().map(|status| {
                let has_status = |member: &&ClusterMember| member.status == *status;
                (status.into(), known.iter().filter(has_status).count())
            }),
        )
    }
}
