//! Calls of the plugin for one change, and the decisions that follow from them.

use super::batch::Batch;
use super::operation::{AddStats, Disable, Enable, Merge, Operation};
use edge_cache_core::decision::{Decision, HybridClock, Timestamp};
use edge_cache_core::{Change, EdgeCacheError, EdgeCacheNode, EdgeCacheStats, Entry, NodeId};
use edge_cache_sandbox::{Called, Failure, Instance};

/// The result of a call: the plugin's answer, or the failure that ends its instance.
pub(super) type CallResult<T> = Result<Result<T, EdgeCacheError>, Failure>;

/// An operation that the plugin decides.
pub(super) trait Decide: Operation {
    /// Has the plugin make the change, and puts its result into the batch.
    fn call(
        &self,
        instance: &mut Instance,
        batch: &mut Batch,
        stamper: &mut Stamper<'_>,
    ) -> CallResult<Self::Output>;
}

/// The source of timestamps for the decisions of this agent.
pub(super) struct Stamper<'a> {
    /// The own node. Without one, decisions are neither made nor sent.
    pub(super) by: Option<NodeId>,
    pub(super) now_ms: u64,
    pub(super) clock: &'a mut HybridClock,
}

impl Stamper<'_> {
    /// Returns a timestamp for a decision about a node, and the deciding node. The timestamp beats the effective
    /// decision whatever the clock says.
    fn stamp(&mut self, batch: &Batch, node_id: NodeId) -> Option<(Timestamp, NodeId)> {
        let by = self.by?;
        let effective = batch.decisions.get(&node_id);
        let after =
            effective.map_or_else(Timestamp::default, |effective| effective.decision.at.next());
        Some((self.clock.stamp(self.now_ms).max(after), by))
    }
}

impl Decide for Enable {
    fn call(
        &self,
        instance: &mut Instance,
        batch: &mut Batch,
        stamper: &mut Stamper<'_>,
    ) -> CallResult<EdgeCacheNode> {
        let node_id = self.node_id;
        let result = instance.enable(node_id, &self.capacity)?;
        if let Err(EdgeCacheError::NodeNotFound(id)) = result {
            return Err(Failure::Contract {
                call: "enable",
                reason: format!("asked to enable node {node_id}, it did not find node {id}"),
            });
        }
        Ok(result.map(
            |Called {
                 value: node,
                 labels,
             }| {
                let entry = Entry {
                    node: node.clone(),
                    stats: EdgeCacheStats::default(),
                };
                batch.put(entry, labels);
                if let Some((at, by)) = stamper.stamp(batch, node_id) {
                    batch.set_decision(Decision::enable(&node, at, by), None);
                }
                node
            },
        ))
    }
}

impl Decide for Disable {
    fn call(
        &self,
        instance: &mut Instance,
        batch: &mut Batch,
        stamper: &mut Stamper<'_>,
    ) -> CallResult<()> {
        let node_id = self.node_id;
        let result = instance.disable(node_id)?;
        batch.check_known("disable", node_id, &result)?;
        let is_enabled_elsewhere = batch
            .decisions
            .get(&node_id)
            .is_some_and(|effective| effective.decision.enabled().is_some());
        match result {
            Ok(Called { labels, .. }) => batch.remove(node_id, &labels),
            // This plugin refused to enable the node, and all other agents list it.
            Err(EdgeCacheError::NodeNotFound(_)) if is_enabled_elsewhere => {}
            Err(error) => return Ok(Err(error)),
        }
        if let Some((at, by)) = stamper.stamp(batch, node_id) {
            batch.set_decision(Decision::disable(node_id, at, by), None);
        }
        Ok(Ok(()))
    }
}

impl Decide for AddStats {
    fn call(
        &self,
        instance: &mut Instance,
        batch: &mut Batch,
        _: &mut Stamper<'_>,
    ) -> CallResult<EdgeCacheStats> {
        let result = instance.add_stats(self.node_id, self.delta)?;
        batch.check_known("add-stats", self.node_id, &result)?;
        if let Ok(totals) = result {
            batch.set_stats(self.node_id, self.delta, totals)?;
        }
        Ok(result)
    }
}

impl Decide for Merge {
    fn call(
        &self,
        instance: &mut Instance,
        batch: &mut Batch,
        stamper: &mut Stamper<'_>,
    ) -> CallResult<()> {
        let refused = match apply(instance, batch, &self.decision) {
            Ok(()) => None,
            Err(Failure::Refused(reason)) => Some(reason),
            Err(failure) => return Err(failure),
        };
        stamper.clock.observe(self.decision.at);
        batch.set_decision(self.decision.clone(), refused);
        Ok(Ok(()))
    }
}

/// Has the plugin apply a decision of another agent. Counters belong to one agent: they go on if the node is enabled
/// since the same time.
fn apply(instance: &mut Instance, batch: &mut Batch, decision: &Decision) -> Result<(), Failure> {
    let node_id = decision.node_id;
    let known = batch.entries.get(node_id).map(|labelled| &labelled.entry);
    match decision.enabled() {
        Some(node) => {
            let stats = known
                .filter(|entry| entry.node.enabled_at == node.enabled_at)
                .map(|entry| entry.stats)
                .unwrap_or_default();
            let entry = Entry { node, stats };
            let labels = instance.apply(&[Change::Put(entry.clone())])?;
            batch.put(entry, labels);
        }
        None if known.is_some() => {
            let labels = instance.apply(&[Change::Remove(node_id)])?;
            batch.remove(node_id, &labels);
        }
        None => {}
    }
    Ok(())
}
