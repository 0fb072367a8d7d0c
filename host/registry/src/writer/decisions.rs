//! Decisions of other agents, and those that a start or a swap brings up to date.

use super::batch::Batch;
use super::change::Stopped;
use super::operation::Merge;
use super::restamp::restamp;
use super::{Running, Writer};
use edge_cache_core::EdgeCacheError;
use edge_cache_core::decision::{Decision, Timestamp, ms_of};

impl Writer {
    /// Applies a decision of another agent. It is effective for all agents, also where this agent's plugin fails on it.
    pub(super) fn merge(&mut self, batch: &mut Batch, merge: Merge) -> Result<(), EdgeCacheError> {
        self.restamp_if_fast(batch);
        if !batch.is_news(&merge.decision) {
            return Ok(());
        }
        match self.decide(batch, &merge) {
            Ok(()) => Ok(()),
            Err(Stopped::Refused(error)) => Err(error),
            Err(Stopped::Failed(failure)) => {
                self.clock.observe(merge.decision.at);
                batch.set_decision(merge.decision, Some(failure.to_string()));
                Ok(())
            }
        }
    }

    /// Brings the remembered decisions up to date: entries without a decision get one, the clock goes on from the
    /// latest, and the plugin is asked again about decisions that were refused.
    pub(super) fn prepare_decisions(&mut self) {
        let Some(own) = self.state.node_id() else {
            return;
        };
        let mut batch = self.new_batch();
        let missing: Vec<_> = batch
            .entries
            .iter()
            .map(|labelled| &labelled.entry.node)
            .filter(|node| !batch.decisions.contains_key(&node.node_id))
            .map(|node| Decision::enable(node, Timestamp::at_ms(ms_of(node.enabled_at)), own))
            .collect();
        for decision in missing {
            batch.set_decision(decision, None);
        }
        self.restamp(&mut batch);
        self.commit(batch);
        // Tried again when the store is open again.
        self.lacks_decisions = self.durable.failure().is_some();
        self.retry_refused();
    }

    /// Asks the plugin again about the decisions that it, or its predecessor, has refused.
    pub(super) fn retry_refused(&mut self) {
        let view = self.state.view.load_full();
        let refused = view.decisions.values();
        let refused = refused.filter(|effective| effective.refused.is_some());
        let refused: Vec<_> = refused
            .map(|effective| effective.decision.clone())
            .collect();
        for decision in refused {
            if !matches!(self.running, Running::Instance(_)) {
                // One of the decisions made it fail: the others wait for the next start.
                break;
            }
            let mut batch = self.new_batch();
            // Otherwise the decision would not be news.
            batch.decisions.remove(&decision.node_id);
            // An error leaves the decision refused.
            if self.merge(&mut batch, Merge { decision }).is_ok() {
                self.commit(batch);
            }
        }
    }

    /// Restamps where the clock was set back so far that other agents would hold new timestamps back.
    pub(super) fn restamp_if_fast(&mut self, batch: &mut Batch) {
        if self.state.node_id().is_some() && self.clock.is_fast(self.now_ms()) {
            self.restamp(batch);
        }
    }

    /// Sets the clock by the effective decisions, and restamps own ones that lie in the future.
    pub(super) fn restamp(&mut self, batch: &mut Batch) {
        let advertiser = &self.state.advertiser;
        if let Some(own) = advertiser.node_id() {
            let now_ms = self.now_ms();
            self.clock = restamp(batch, own, now_ms, |effective| {
                advertiser.is_replicated(effective)
            });
        }
    }

    pub(super) fn now_ms(&self) -> u64 {
        ms_of(self.state.config.clock.time())
    }
}
