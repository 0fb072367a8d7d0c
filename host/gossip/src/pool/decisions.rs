//! What the registry asks of gossip: to carry its decisions, and to hand over those of others.

use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::GossipPool;
use edge_cache_core::decision::Decision;

impl GossipPool {
    /// Carries these decisions from now on, by the node that they are about, and no longer those that
    /// are `None`.
    pub fn publish_decisions(&self, changes: impl IntoIterator<Item = (u64, Option<String>)>) {
        self.shared.outbox.change(changes);
    }

    /// Waits for decisions of others: the node that each is about, and its value as it came.
    pub async fn take_decisions(&self) -> Vec<(u64, String)> {
        self.shared.inbox.take().await
    }

    /// How many decisions of others wait to be taken.
    #[must_use]
    pub fn pending_decisions(&self) -> usize {
        self.shared.inbox.waiting()
    }

    /// Whether another member carries this very decision.
    pub fn is_replicated(&self, decision: &Decision) -> bool {
        self.shared.inbox.is_replicated(decision)
    }

    /// Has all decisions that members carry come again.
    pub fn redeliver_decisions(&self) {
        self.shared.inbox.forget();
    }

    /// Counts a decision that cannot be taken.
    pub fn count_bad_decision(&self) {
        self.shared.bad_records.fetch_add(1, Ordering::Relaxed);
    }

    /// When this member will have met the others that are there, if that is still to come.
    pub fn settles_at(&self) -> Option<Instant> {
        let settles_at = **self.shared.condition.settles_at.load();
        settles_at.filter(|at| *at > Instant::now())
    }

    /// The live peers that carry decisions, in ascending order: agents, not ZLayer's nodes.
    pub fn live_agents(&self) -> Vec<u64> {
        let neighbours = self.shared.view.neighbours.load();
        let agents = neighbours.iter().filter(|neighbour| neighbour.is_agent);
        agents.map(|neighbour| neighbour.node_id).collect()
    }
}
