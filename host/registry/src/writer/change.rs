//! A change: admission, the call of the plugin, and its failure.

use std::time::Instant;

use super::batch::{Batch, PendingReply, Reply};
use super::operation::{Operation, Stopped};
use super::{Running, Writer};
use edge_cache_core::decision::{Decision, Timestamp};
use edge_cache_core::{EdgeCacheError, ms_of};
use edge_cache_sandbox::Instance;

impl Writer {
    /// Makes one change in the batch, and keeps its result there until the commit.
    pub(super) fn make(&mut self, batch: &mut Batch, operation: &Operation, reply: Reply) {
        let result = self.change(batch, operation);
        let labelled = batch.entries.get(operation.node_id());
        batch.replies.push(PendingReply {
            kind: operation.kind(),
            reply,
            result: result.map(|()| labelled.map(|labelled| labelled.entry.clone())),
        });
    }

    /// Makes one change in the batch. A decision of another agent is effective also where the plugin fails on it.
    fn change(&mut self, batch: &mut Batch, operation: &Operation) -> Result<(), EdgeCacheError> {
        let Operation::Merge(decision) = operation else {
            return Ok(self.decide(batch, operation)?);
        };
        if !batch.is_news(decision) {
            return Ok(());
        }
        match self.decide(batch, operation) {
            Err(Stopped::Failed(failure)) => {
                batch.set_decision(decision.clone(), Some(failure.to_string()));
                Ok(())
            }
            result => Ok(result?),
        }
    }

    /// Has the plugin make a change in the batch. If it fails, the changes before it are committed, and `batch` is a new
    /// one.
    fn decide(&mut self, batch: &mut Batch, operation: &Operation) -> Result<(), Stopped> {
        // Log lines of the plugin get this span, which costs nothing unless the level is enabled.
        let _span = tracing::debug_span!("change", ?operation).entered();
        let now_ms = ms_of(self.state.config.clock.time());
        let instance = self.admit(batch, operation)?;
        let result = operation.call(instance, batch, now_ms);
        if let Err(Stopped::Failed(failure)) = &result {
            let fresh = self.new_batch();
            self.commit(std::mem::replace(batch, fresh));
            self.quarantine.add(operation.clone(), Instant::now());
            self.instance_failed(failure);
            self.catch_up(Instant::now());
            *batch = self.new_batch();
        }
        result
    }

    /// Returns the instance, if the change may be made now.
    fn admit(
        &mut self,
        batch: &Batch,
        operation: &Operation,
    ) -> Result<&mut Instance, EdgeCacheError> {
        let limit = self.state.plugin.load().config().limits.nodes_max;
        let node_id = operation.node_id();
        if matches!(operation, Operation::Enable { .. } | Operation::Merge(_))
            && batch.entries.len().max(batch.decisions.len()) >= limit
            && !batch.entries.contains(node_id)
            && !batch.decisions.contains_key(&node_id)
        {
            return Err(EdgeCacheError::Full { limit });
        }
        if let Some(reason) = self.durable.failure() {
            return Err(EdgeCacheError::StoreFailed(reason.to_string()));
        }
        self.quarantine.forget_old(Instant::now());
        if self.quarantine.holds(operation) {
            return Err(EdgeCacheError::PluginFailed(
                "this very change made it fail a short while ago; it is tried again after a minute"
                    .to_string(),
            ));
        }
        match &mut self.running {
            Running::Instance(instance) => Ok(instance),
            Running::Down(_) => {
                let failure = self.state.view.load().status.last_failure.clone();
                let reason = failure.unwrap_or_else(|| "it is not running".to_string());
                Err(EdgeCacheError::PluginFailed(reason))
            }
        }
    }

    /// Brings the remembered decisions up to date: entries without a decision get one, and the plugin is asked again
    /// about decisions that were refused.
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
        self.commit(batch);
        // Tried again when the store is open again.
        self.lacks_decisions = self.durable.failure().is_some();
        self.retry_refused();
    }

    /// Asks the plugin again about the decisions that it, or its predecessor, has refused.
    pub(super) fn retry_refused(&mut self) {
        let view = self.state.view.load_full();
        let refused = view.decisions.values();
        for effective in refused.filter(|effective| effective.refused.is_some()) {
            if !matches!(self.running, Running::Instance(_)) {
                // One of the decisions made it fail: the others wait for the next start.
                break;
            }
            let mut batch = self.new_batch();
            let decision = effective.decision.clone();
            // Otherwise the decision would not be news.
            batch.decisions.remove(&decision.node_id);
            // An error leaves the decision refused.
            if self.change(&mut batch, &Operation::Merge(decision)).is_ok() {
                self.commit(batch);
            }
        }
    }
}
