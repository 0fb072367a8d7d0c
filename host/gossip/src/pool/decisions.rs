//! The registry's interface to gossip: publishing its decisions and receiving those of others.

use edge_cache_core::decision::Decision;
use tokio::time::Instant;

use super::GossipPool;

impl GossipPool {
    /// Publishes these decisions, by node id, and withdraws those that are `None`.
    pub fn publish_decisions(&self, changes: impl IntoIterator<Item = (u64, Option<String>)>) {
        self.shared.membership.outbox.change(changes);
    }

    /// Waits for decisions of other members. Returns node ids with undecoded values.
    pub async fn take_decisions(&self) -> Vec<(u64, String)> {
        self.shared.membership.inbox.take().await
    }

    /// Returns the number of received decisions that are not taken yet.
    #[must_use]
    pub fn pending_decisions(&self) -> usize {
        self.shared.membership.inbox.pending()
    }

    /// Returns `true` if another member replicates this decision.
    pub fn is_replicated(&self, decision: &Decision) -> bool {
        self.shared.membership.inbox.is_replicated(decision)
    }

    /// Delivers all decisions of other members again.
    pub fn redeliver_decisions(&self) {
        self.shared.membership.inbox.redeliver();
    }

    /// Counts an invalid decision.
    pub fn count_bad_decision(&self) {
        self.shared.membership.metrics.bad_records.inc();
    }

    /// Returns the time by which this member should have met all others, if it is in the future.
    pub fn settles_at(&self) -> Option<Instant> {
        let settles_at = **self.shared.membership.settles_at.load();
        settles_at.filter(|at| *at > Instant::now())
    }

    /// Returns the live peers that replicate decisions, in ascending order: agents, not ZLayer nodes.
    pub fn live_agents(&self) -> Vec<u64> {
        let view = self.shared.membership.view.load();
        let agents = view.alive().filter(|member| member.policy.is_some());
        agents.map(|member| member.node_id).collect()
    }
}
