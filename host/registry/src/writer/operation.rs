//! The changes that the writer makes, and the plugin's part in each.

use super::batch::Batch;
use edge_cache_core::decision::Decision;
use edge_cache_core::effective::SetAside;
use edge_cache_core::{
    Change, EdgeCacheError, EdgeCacheStats, Entry, NodeCapacity, NodeId, SourceId,
};
use edge_cache_sandbox::{Failure, Instance};
use thiserror::Error;

/// A change of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Enables a node with a capacity.
    Enable {
        node_id: NodeId,
        capacity: NodeCapacity,
    },
    Disable {
        node_id: NodeId,
    },
    /// Adds to the counters of a node.
    AddStats {
        node_id: NodeId,
        delta: EdgeCacheStats,
    },
    /// Counts what a source has counted since its last counters.
    PutSource {
        source: SourceId,
        counters: EdgeCacheStats,
    },
    /// Applies a decision of another agent.
    Merge(Decision),
}

/// Why a change was not made.
#[derive(Debug, Error)]
pub(super) enum Stopped {
    /// The change was refused, by the plugin or without a call.
    #[error(transparent)]
    Refused(#[from] EdgeCacheError),
    /// The plugin failed, which ends its instance.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<Stopped> for EdgeCacheError {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Refused(error) => error,
            Stopped::Failed(failure) => Self::PluginFailed(failure.to_string()),
        }
    }
}

impl Operation {
    /// Returns the name of the kind, as metrics use it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Enable { .. } => "enable",
            Self::Disable { .. } => "disable",
            Self::AddStats { .. } => "add-stats",
            Self::PutSource { .. } => "put-source",
            Self::Merge(_) => "merge",
        }
    }

    /// Returns the node that the change is about.
    pub(crate) fn node_id(&self) -> NodeId {
        match self {
            Self::Enable { node_id, .. }
            | Self::Disable { node_id }
            | Self::AddStats { node_id, .. }
            | Self::PutSource {
                source: SourceId { node_id, .. },
                ..
            }
            | Self::Merge(Decision { node_id, .. }) => *node_id,
        }
    }

    /// Tells whether somebody decides about a node here.
    pub(super) fn is_decision(&self) -> bool {
        matches!(self, Self::Enable { .. } | Self::Disable { .. })
    }

    /// Tells whether another change is the same for the quarantine: the counters of a source are others every time.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::PutSource { source, .. }, Self::PutSource { source: of, .. }) => source == of,
            _ => self == other,
        }
    }

    /// Has the plugin make the change, and puts the result into the batch.
    pub(super) fn call(
        &self,
        instance: &mut Instance,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Result<(), Stopped> {
        let called = self.call_without_log(instance, batch, now_ms);
        called.map_err(|stopped| match stopped {
            Stopped::Failed(failure) => Stopped::Failed(instance.with_lines(failure)),
            refused @ Stopped::Refused(_) => refused,
        })
    }

    fn call_without_log(
        &self,
        instance: &mut Instance,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Result<(), Stopped> {
        match self {
            Self::Enable { node_id, capacity } => {
                enable(instance, batch, *node_id, capacity, now_ms)
            }
            Self::Disable { node_id } => disable(instance, batch, *node_id, now_ms),
            Self::AddStats { node_id, delta } => add_stats(instance, batch, *node_id, *delta),
            Self::PutSource { source, counters } => {
                let last = batch.sources.get(source).copied();
                let delta = counters.since(last.unwrap_or_default());
                if delta != EdgeCacheStats::default() {
                    add_stats(instance, batch, source.node_id, delta)?;
                }
                if last != Some(*counters) {
                    batch.set_source(source.clone(), Some(*counters));
                }
                Ok(())
            }
            Self::Merge(decision) => {
                let set_aside = match apply(instance, batch, decision) {
                    Ok(()) => None,
                    Err(failure) => match failure.refusal() {
                        Some(reason) => Some(SetAside::Refused(reason)),
                        None => return Err(failure.into()),
                    },
                };
                batch.set_decision(decision.clone(), set_aside);
                Ok(())
            }
        }
    }
}

fn enable(
    instance: &mut Instance,
    batch: &mut Batch,
    node_id: NodeId,
    capacity: &NodeCapacity,
    now_ms: u64,
) -> Result<(), Stopped> {
    let stamp = batch.stamp(node_id, now_ms)?;
    let result = instance.enable(node_id, capacity)?;
    if let Err(EdgeCacheError::NodeNotFound(id)) = result {
        let reason = format!("asked to enable node {node_id}, it did not find node {id}");
        return Err(Failure::contract("enable", reason).into());
    }
    let (node, labels) = result?;
    if let Some((at, by)) = stamp {
        batch.set_decision(Decision::enable(&node, at, by), None);
    }
    let stats = EdgeCacheStats::default();
    batch.put(Entry { node, stats }, &labels);
    Ok(())
}

fn disable(
    instance: &mut Instance,
    batch: &mut Batch,
    node_id: NodeId,
    now_ms: u64,
) -> Result<(), Stopped> {
    let stamp = batch.stamp(node_id, now_ms)?;
    let result = instance.disable(node_id)?;
    batch.check_known("disable", node_id, &result)?;
    match result {
        Ok(labels) => batch.remove(node_id, &labels),
        // Its decision is set aside here, and other agents may list it.
        Err(EdgeCacheError::NodeNotFound(_)) if batch.decisions.enables(node_id) => {}
        Err(error) => return Err(error.into()),
    }
    if let Some((at, by)) = stamp {
        batch.set_decision(Decision::disable(node_id, at, by), None);
    }
    Ok(())
}

fn add_stats(
    instance: &mut Instance,
    batch: &mut Batch,
    node_id: NodeId,
    delta: EdgeCacheStats,
) -> Result<(), Stopped> {
    let result = instance.add_stats(node_id, delta)?;
    batch.check_known("add-stats", node_id, &result)?;
    Ok(batch.set_stats(node_id, delta, result?)?)
}

/// Has the plugin apply a decision of another agent. Counters belong to one agent: they go on if the node is enabled
/// since the same time.
fn apply(instance: &mut Instance, batch: &mut Batch, decision: &Decision) -> Result<(), Failure> {
    let node_id = decision.node_id;
    let known = batch.entries.get(node_id);
    match decision.enabled() {
        Some(node) => {
            let stats = known
                .filter(|entry| entry.node.enabled_at == node.enabled_at)
                .map(|entry| entry.stats)
                .unwrap_or_default();
            let entry = Entry { node, stats };
            let labels = instance.apply(&[Change::Put(entry.clone())])?;
            batch.put(entry, &labels);
        }
        None if known.is_some() => {
            let labels = instance.apply(&[Change::Remove(node_id)])?;
            batch.remove(node_id, &labels);
        }
        None => {}
    }
    Ok(())
}
