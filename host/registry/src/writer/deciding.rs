//! What one change comes to: the component's answer, and the decision that other agents hear of.

use edge_cache_core::EdgeCacheError;
use edge_cache_core::decision::{Decision, HybridClock, Timestamp};
use edge_cache_core::{Change, EdgeCacheStats, Entry, NodeId};
use edge_cache_sandbox::{Called, Failure, Instance};

use super::batch::Batch;
use super::queue::{Operation, Outcome};
use edge_cache_core::decision::EffectiveDecision;

/// What stamps the decisions that are taken here.
pub(super) struct Deciding<'a> {
    /// The own node; without one, nothing travels.
    pub(super) by: Option<NodeId>,
    pub(super) now_ms: u64,
    pub(super) stamps: &'a mut HybridClock,
}

impl Deciding<'_> {
    /// Has the component make one change, and takes its answer into the batch.
    pub(super) fn call(
        &mut self,
        instance: &mut Instance,
        batch: &mut Batch,
        operation: &Operation,
    ) -> Result<Result<Outcome, EdgeCacheError>, Failure> {
        match *operation {
            Operation::Enable {
                node_id,
                ref capacity,
            } => {
                let answer = instance.enable(node_id, capacity)?;
                if let Err(EdgeCacheError::NodeNotFound(id)) = answer {
                    return Err(Failure::Contract {
                        call: "enable",
                        reason: format!(
                            "asked to enable node {node_id}, it did not find node {id}"
                        ),
                    });
                }
                Ok(answer.map(|Called { value, labels }| {
                    let entry = Entry {
                        node: value.clone(),
                        stats: EdgeCacheStats::default(),
                    };
                    batch.put(entry, labels);
                    if let Some((at, by)) = self.stamp(batch, node_id) {
                        batch.stand(Decision::enable(&value, at, by), None);
                    }
                    Outcome::Enabled(value)
                }))
            }
            Operation::Disable { node_id } => {
                let answer = instance.disable(node_id)?;
                batch.check_known("disable", node_id, &answer)?;
                let stands = batch
                    .decisions
                    .get(&node_id)
                    .is_some_and(|effective| effective.decision.enabled().is_some());
                match answer {
                    Ok(Called { labels, .. }) => batch.remove(node_id, &labels),
                    // The component refused to enable it, and all other agents list it.
                    Err(EdgeCacheError::NodeNotFound(_)) if stands => {}
                    Err(error) => return Ok(Err(error)),
                }
                if let Some((at, by)) = self.stamp(batch, node_id) {
                    batch.stand(Decision::disable(node_id, at, by), None);
                }
                Ok(Ok(Outcome::Disabled))
            }
            Operation::Merge(ref decision) => {
                let refused = match merge(instance, batch, decision) {
                    Ok(()) => None,
                    Err(Failure::Refused(reason)) => Some(reason),
                    Err(failure) => return Err(failure),
                };
                self.stamps.observe(decision.at);
                batch.stand(decision.clone(), refused);
                Ok(Ok(Outcome::Merged))
            }
            Operation::Restamp => Ok(Ok(Outcome::Merged)),
            Operation::AddStats { node_id, delta } => {
                let answer = instance.add_stats(node_id, delta)?;
                batch.check_known("add-stats", node_id, &answer)?;
                if let Ok(totals) = answer {
                    batch.count(node_id, delta, totals)?;
                }
                Ok(answer.map(Outcome::Counted))
            }
        }
    }

    /// A stamp for a decision about a node, and who decides; `None` for a registry that has no node of its
    /// own, whose decisions never travel. Whatever the clock says, it beats what stands about the node.
    fn stamp(&mut self, batch: &Batch, node_id: NodeId) -> Option<(Timestamp, NodeId)> {
        let by = self.by?;
        let stands = batch.decisions.get(&node_id);
        let after =
            stands.map_or_else(Timestamp::default, |effective| effective.decision.at.next());
        Some((self.stamps.stamp(self.now_ms).max(after), by))
    }
}

/// A clock that goes on from the decisions that stand. Those of this agent's own that are in the future are
/// given a time of now: its clock was wrong when it took them, and others hold them back.
pub(super) fn restamp(
    batch: &mut Batch,
    own: NodeId,
    clock_ms: u64,
    is_replicated: impl Fn(&EffectiveDecision) -> bool,
) -> HybridClock {
    // What others have decided shows that the time is not before it.
    let others = batch
        .decisions
        .values()
        .filter(|effective| effective.decision.by != own);
    let heard_ms = others.map(|effective| effective.decision.at.ms()).max();
    let now_ms = clock_ms.max(heard_ms.unwrap_or_default());
    let mut stamps = HybridClock::default();
    let mut wrong = Vec::new();
    for effective in batch.decisions.values() {
        let decision = &effective.decision;
        match (
            HybridClock::is_ahead(decision.at, now_ms),
            decision.by == own,
        ) {
            (false, true) => stamps.resume(decision.at),
            (false, false) => stamps.observe(decision.at),
            // In nobody's future but this clock's.
            (true, true) if is_replicated(effective) => stamps.observe(decision.at),
            (true, true) => wrong.push(effective.clone()),
            (true, false) => {}
        }
    }
    for effective in wrong {
        let decision = Decision {
            at: stamps.stamp(now_ms),
            ..effective.decision.clone()
        };
        tracing::warn!(
            node_id = decision.node_id,
            "a decision of this agent's was in the future and holds from now on instead"
        );
        batch.stand(decision, effective.refused.clone());
    }
    stamps
}

/// Has the component follow a decision that was taken elsewhere. Counters are an agent's own: they go on
/// where the node is enabled since the same time.
fn merge(instance: &mut Instance, batch: &mut Batch, decision: &Decision) -> Result<(), Failure> {
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
