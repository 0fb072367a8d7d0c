//! A change: admission, the call of the plugin, and its failure.

use std::time::{Duration, Instant};

use super::batch::{Batch, Caller, PendingReply};
use super::operation::{Operation, Stopped};
use super::{Running, Writer};
use crate::audit::Audited;
use edge_cache_core::decision::{Decision, Timestamp};
use edge_cache_core::effective::{Misplaced, SetAside};
use edge_cache_core::{Change, EdgeCacheError, Entry, NodeId, ms_of};
use edge_cache_sandbox::{Failure, Instance, PublishedLabels};

/// The age up to which it is told that a decision of this agent was overruled.
const OVERRULED_WITHIN: Duration = Duration::from_secs(10 * 60);

/// The difference between a decision's time and the present up to which the decision counts as heard at once. Its maker
/// may then have known the one that it overrules. Gossip reaches 100 members within 250 ms.
const HEARD_WITHIN: Duration = Duration::from_secs(5);

impl Writer {
    /// Makes one change in the batch, and keeps its result there until the commit.
    pub(super) fn make(&mut self, batch: &mut Batch, operation: &Operation, caller: Caller) {
        let node_id = operation.node_id();
        let audited = operation.is_decision().then(|| {
            let before = batch.entries.get(node_id);
            Audited::new(operation.kind(), node_id, before, caller.span.clone())
        });
        let result = self.change(batch, operation);
        self.fit(batch);
        let entry = batch.entries.get(node_id);
        batch.replies.push(PendingReply {
            kind: operation.kind(),
            caller,
            audited,
            result: result.map(|()| entry.map(|entry| Entry::clone(entry))),
        });
    }

    fn change(&mut self, batch: &mut Batch, operation: &Operation) -> Result<(), EdgeCacheError> {
        match operation {
            Operation::Merge(decision) if batch.decisions.is_news(decision, batch.limits) => {
                self.retries.forget(decision.node_id);
                let overruled = self.overruled_by(batch, decision);
                self.merge(batch, decision)?;
                if let Some(at) = overruled {
                    self.note_overruled(batch, decision, at);
                }
                Ok(())
            }
            Operation::Merge(decision) => {
                if batch.decisions.get(decision.node_id).is_none() {
                    self.state.forgot(decision);
                }
                Ok(())
            }
            operation => Ok(self.decide(batch, operation)?),
        }
    }

    /// Returns when this agent made the effective decision that one of another agent is about to overrule, if that was
    /// a short while ago and the other one was not heard at once: neither maker knew the other's decision.
    fn overruled_by(&self, batch: &Batch, decision: &Decision) -> Option<Timestamp> {
        let own = self.state.node_id()?;
        let former = &batch.decisions.get(decision.node_id)?.decision;
        let now_ms = ms_of(self.state.config.clock.time());
        let differs_by = |at: Timestamp| Duration::from_millis(now_ms.abs_diff(at.ms()));
        // Stamps follow the highest one that was seen. Where this agent's own are ahead, those of all that know them are.
        let is_ahead = |at: Timestamp| at.ms() > now_ms && differs_by(at) > HEARD_WITHIN;
        let is_overruled = former.by == own
            && decision.by != own
            && differs_by(former.at) <= OVERRULED_WITHIN
            && differs_by(decision.at) > HEARD_WITHIN
            && !is_ahead(former.at);
        is_overruled.then_some(former.at)
    }

    fn note_overruled(&mut self, batch: &mut Batch, decision: &Decision, at: Timestamp) {
        batch.overruled.insert(decision.node_id, at);
        self.state.metrics.decisions_overruled.inc();
        let Some(left_out) = self.overruled_log.pass() else {
            return;
        };
        tracing::warn!(
            left_out,
            node_id = decision.node_id,
            by = decision.by,
            "a decision of another agent, heard late or from a clock ahead, overruled one that this agent made a short while ago"
        );
    }

    /// Makes a decision of another agent effective. Beyond the limit `nodes_max` the highest node is set aside.
    fn merge(&mut self, batch: &mut Batch, decision: &Decision) -> Result<(), EdgeCacheError> {
        if let Err(error) = self.instance() {
            self.announce_failure(decision, &error);
            return Err(error);
        }
        if decision.enables() {
            let (node_id, nodes_max) = (decision.node_id, batch.limits.nodes_max);
            let displaced = batch.decisions.displaced_by(node_id, nodes_max);
            if displaced == Some(node_id) {
                self.set_beyond(batch, decision.clone());
                return Ok(());
            }
            let displaced = displaced.and_then(|displaced| batch.decisions.get(displaced));
            if let Some(decision) = displaced.map(|effective| effective.decision.clone()) {
                self.set_beyond(batch, decision);
            }
        }
        self.carry_out(batch, decision)
    }

    /// Has the plugin carry out an effective decision, which is set aside where the plugin refuses it or fails on it.
    fn carry_out(&mut self, batch: &mut Batch, decision: &Decision) -> Result<(), EdgeCacheError> {
        match self.decide(batch, &Operation::Merge(decision.clone())) {
            Err(Stopped::Failed(failure)) => {
                self.retries.failed(decision.node_id, Instant::now());
                let failed = SetAside::Failed(failure.to_string());
                batch.set_decision(decision.clone(), Some(failed));
                Ok(())
            }
            result => Ok(result?),
        }
    }

    /// Sets a decision aside because its node is beyond the limit `nodes_max`, and removes the node's entry.
    fn set_beyond(&mut self, batch: &mut Batch, decision: Decision) {
        let node_id = decision.node_id;
        let mut failure = None;
        if batch.entries.contains(node_id) {
            let mut labels = PublishedLabels::default();
            if let Running::Instance(instance) = &mut self.running {
                match instance.apply(&[Change::Remove(node_id)]) {
                    Ok(published) => labels = published,
                    Err(error) => failure = Some(error),
                }
            }
            batch.remove(node_id, &labels);
        }
        batch.set_decision(decision, Some(SetAside::Full));
        if let Some(failure) = failure {
            // The next instance is loaded without the entry.
            let fresh = self.new_batch();
            self.commit(std::mem::replace(batch, fresh));
            self.instance_failed(&failure);
            self.catch_up(Instant::now());
            *batch = self.new_batch();
        }
    }

    /// Brings the registry to the enabled nodes with the lowest ids, as far as that is possible now.
    pub(super) fn fit(&mut self, batch: &mut Batch) {
        while let Some(misplaced) = batch.decisions.misplaced(batch.limits.nodes_max) {
            let (Misplaced::Beyond(node_id) | Misplaced::Within(node_id)) = misplaced;
            let Some(effective) = batch.decisions.get(node_id).cloned() else {
                return;
            };
            if matches!(misplaced, Misplaced::Beyond(_)) {
                self.set_beyond(batch, effective.decision.clone());
            } else if self.carry_out(batch, &effective.decision).is_err() {
                // Tried again when the store and the plugin are back.
                return;
            }
        }
    }

    /// Has the plugin make a change in the batch. If it fails, the changes before it are committed, and `batch` is a new
    /// one.
    fn decide(&mut self, batch: &mut Batch, operation: &Operation) -> Result<(), Stopped> {
        // Log lines of the plugin get this span, which costs nothing unless the level is enabled.
        let _span = tracing::debug_span!("change", ?operation).entered();
        let now_ms = ms_of(self.state.config.clock.time());
        self.admit(batch, operation)?;
        let instance = self.instance()?;
        let result = operation.call(instance, batch, now_ms);
        if let Err(Stopped::Failed(failure)) = &result {
            let fresh = self.new_batch();
            self.commit(std::mem::replace(batch, fresh));
            let is_merge = matches!(operation, Operation::Merge(_));
            if !is_merge {
                self.quarantine.add(operation.clone(), Instant::now());
            }
            if is_merge && self.retries.holds(operation.node_id()) {
                self.failed_again(failure);
            } else {
                self.instance_failed(failure);
                self.catch_up(Instant::now());
            }
            *batch = self.new_batch();
        }
        if let (Operation::PutSource { source, .. }, Ok(())) = (operation, &result) {
            self.sources.heard(batch, source, Instant::now());
        }
        result
    }

    /// Replaces the instance after another failure on a decision that is set aside. It says nothing new about the plugin,
    /// so it takes nothing from the restart budget.
    fn failed_again(&mut self, failure: &Failure) {
        self.state.metrics.calls.failed(failure);
        if let Some(left_out) = self.retry_log.pass() {
            tracing::warn!(left_out, %failure, "the plugin failed again on a decision that is set aside");
        }
        self.replace_instance();
    }

    /// Checks whether there is room for a change, and whether it made the plugin fail lately.
    fn admit(&mut self, batch: &mut Batch, operation: &Operation) -> Result<(), EdgeCacheError> {
        match operation {
            Operation::Enable { node_id, .. } => check_room(batch, *node_id)?,
            Operation::PutSource { source, .. } => {
                self.sources.admit(batch, source, Instant::now())?;
            }
            _ => {}
        }
        self.quarantine.forget_old(Instant::now());
        if self.quarantine.holds(operation) {
            return Err(EdgeCacheError::PluginFailed(
                "this very change made it fail a short while ago; it is tried again after a minute"
                    .to_string(),
            ));
        }
        Ok(())
    }

    /// Returns the instance, while the store and the plugin work.
    fn instance(&mut self) -> Result<&mut Instance, EdgeCacheError> {
        if let Some(reason) = self.durable.failure() {
            return Err(EdgeCacheError::StoreFailed(reason.to_string()));
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

    /// Gives entries without a decision one, as a store of a registry without a node has them.
    pub(super) fn add_missing_decisions(&mut self) {
        let Some(own) = self.state.node_id() else {
            return;
        };
        let mut batch = self.new_batch();
        let missing: Vec<_> = batch
            .entries
            .iter()
            .map(|entry| &entry.node)
            .filter(|node| batch.decisions.get(node.node_id).is_none())
            .map(|node| Decision::enable(node, Timestamp::at_ms(ms_of(node.enabled_at)), own))
            .collect();
        for decision in missing {
            batch.set_decision(decision, None);
        }
        // A lower limit than before.
        self.fit(&mut batch);
        self.commit(batch);
        // Tried again when the store is open again.
        self.lacks_decisions = self.durable.failure().is_some();
    }

    /// Asks the plugin again about the decisions that it, or its predecessor, has not carried out. Those on which it
    /// failed wait for their time, unless it is another plugin.
    pub(super) fn ask_again(&mut self, is_other_plugin: bool) {
        let view = self.state.view.load_full();
        let now = Instant::now();
        let mut batch = self.new_batch();
        for effective in view.decisions.iter() {
            let decision = &effective.decision;
            let node_id = decision.node_id;
            let is_missing = decision.enables() && !view.entries.contains(node_id);
            let waits = match &effective.set_aside {
                // The entry was lost at the load just now.
                _ if self.retries.holds(node_id) => continue,
                // The store had an entry that broke a bound.
                None if is_missing => false,
                None | Some(SetAside::Full) => continue,
                Some(SetAside::Failed(_)) => !is_other_plugin,
                Some(SetAside::Refused(_)) => false,
            };
            if waits || self.carry_out(&mut batch, decision).is_err() {
                self.retries.failed(node_id, now);
            }
        }
        self.commit(batch);
    }

    /// Does what was put off: fills the room in the registry, and asks the plugin again about decisions on which it
    /// failed.
    pub(super) fn do_overdue(&mut self, now: Instant) {
        let nodes_max = self.limits().nodes_max;
        let misplaced = self.state.view.load().decisions.misplaced(nodes_max);
        if misplaced.is_some() && self.durable.failure().is_none() {
            let mut batch = self.new_batch();
            self.fit(&mut batch);
            self.commit(batch);
        }
        while self.is_up()
            && let Some(node_id) = self.retries.due(now)
        {
            let view = self.state.view.load_full();
            let effective = view.decisions.get(node_id);
            let Some(effective) = effective.filter(|it| it.set_aside != Some(SetAside::Full))
            else {
                self.retries.forget(node_id);
                continue;
            };
            let mut batch = self.new_batch();
            let start = Instant::now();
            if self.carry_out(&mut batch, &effective.decision).is_ok() {
                if batch.decisions.has_failed(node_id) {
                    self.retries.pause(start.elapsed(), Instant::now());
                } else {
                    self.retries.forget(node_id);
                }
            }
            self.commit(batch);
        }
    }
}

/// Checks that there is room for a node that is to be enabled here.
fn check_room(batch: &Batch, node_id: NodeId) -> Result<(), EdgeCacheError> {
    let limit = batch.limits.nodes_max;
    let is_over = batch.decisions.displaced_by(node_id, limit).is_some()
        // A registry without a node has no decisions.
        || (batch.entries.len() >= limit && !batch.entries.contains(node_id));
    if is_over {
        return Err(EdgeCacheError::Full { limit });
    }
    Ok(())
}
