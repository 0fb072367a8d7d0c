//! Restamping of decisions whose timestamp lies in the future.

use super::batch::Batch;
use edge_cache_core::NodeId;
use edge_cache_core::decision::{Decision, EffectiveDecision, HybridClock};

/// Returns a clock that goes on from the effective decisions.
///
/// Decisions of this agent in the future get a timestamp of now: its clock was wrong when it made them, and other
/// agents hold them back. Those that another agent carries already are left as they are.
pub(super) fn restamp(
    batch: &mut Batch,
    own: NodeId,
    clock_ms: u64,
    is_replicated: impl Fn(&EffectiveDecision) -> bool,
) -> HybridClock {
    // Timestamps of other agents show that the time is not before them.
    let others = batch
        .decisions
        .values()
        .filter(|effective| effective.decision.by != own);
    let heard_ms = others.map(|effective| effective.decision.at.ms()).max();
    let now_ms = clock_ms.max(heard_ms.unwrap_or_default());
    let mut clock = HybridClock::default();
    let mut wrong = Vec::new();
    for effective in batch.decisions.values() {
        let decision = &effective.decision;
        match (
            HybridClock::is_ahead(decision.at, now_ms),
            decision.by == own,
        ) {
            (false, true) => clock.resume(decision.at),
            (false, false) => clock.observe(decision.at),
            // Another agent took it: only this clock is behind.
            (true, true) if is_replicated(effective) => clock.observe(decision.at),
            (true, true) => wrong.push(effective.clone()),
            (true, false) => {}
        }
    }
    for effective in wrong {
        let decision = Decision {
            at: clock.stamp(now_ms),
            ..effective.decision.clone()
        };
        tracing::warn!(
            node_id = decision.node_id,
            "a decision of this agent had a timestamp in the future and was restamped"
        );
        batch.set_decision(decision, effective.refused.clone());
    }
    clock
}
