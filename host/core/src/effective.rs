//! The effective decisions of all nodes: which are remembered, and which are not carried out.
//!
//! All agents choose alike, because the choice depends on the decisions alone: the enabled nodes with the lowest ids are
//! in the registry, the rest is set aside, and of the disabled nodes those with the highest timestamps are remembered.

use std::sync::Arc;

use imbl::ordmap::DiffItem;
use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};
use thiserror::Error;

use crate::decision::{Decision, Op, Timestamp};
use crate::limits::Limits;
use crate::types::NodeId;

#[cfg(test)]
mod tests;

/// The decision about a node that takes precedence over all others known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveDecision {
    /// The decision.
    pub decision: Decision,
    /// Why this agent does not carry the decision out, if it does not.
    ///
    /// The decision is effective all the same, since all agents must agree.
    pub set_aside: Option<SetAside>,
}

/// Why an effective decision is not carried out at this agent. The text is the reason.
#[derive(
    Debug, Clone, PartialEq, Eq, Error, IntoStaticStr, VariantNames, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum SetAside {
    /// The plugin refused it; this agent keeps its former entry. It is asked again after the next start or swap.
    #[error("{0}")]
    Refused(String),
    /// The plugin failed on it; this agent keeps its former entry. It is asked again after 1, 2, 4 … 60 minutes.
    #[error("{0}")]
    Failed(String),
    /// As many enabled nodes as the limit `nodes_max` have lower ids.
    #[error("the registry is full: `limits.nodes_max` enabled nodes have lower ids")]
    Full,
}

impl SetAside {
    /// Returns the stable name of the variant, as used in metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.into()
    }
}

/// The limits of what is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecisionLimits {
    /// Number of nodes in the registry. Twice as many enabled ones are remembered.
    pub nodes_max: usize,
    /// Number of disabled nodes that are remembered.
    pub tombstones: usize,
}

impl From<&Limits> for DecisionLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            nodes_max: limits.nodes_max,
            tombstones: limits.tombstones,
        }
    }
}

impl DecisionLimits {
    /// Returns the number of enabled nodes that are remembered.
    pub fn enabled_max(self) -> usize {
        self.nodes_max.saturating_mul(2)
    }
}

/// The effective decisions of all nodes, disabled nodes included. Cheap to clone.
///
/// Decisions about disabled nodes are kept: otherwise an older decision could enable the node again.
#[derive(Debug, Clone, Default)]
pub struct EffectiveDecisions {
    all: OrdMap<NodeId, Arc<EffectiveDecision>>,
    enabled: OrdSet<NodeId>,
    disabled: OrdSet<(Timestamp, NodeId)>,
    set_aside: OrdSet<NodeId>,
    /// The enabled nodes beyond the limit. All others have lower ids.
    full: OrdSet<NodeId>,
}

/// An enabled node that is on the wrong side of the limit `nodes_max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misplaced {
    /// The node must leave the registry.
    Beyond(NodeId),
    /// There is room for the node.
    Within(NodeId),
}

/// The numbers of effective decisions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DecisionCounts {
    /// Decisions that enable a node.
    pub enabled: usize,
    /// Decisions that disable a node.
    pub disabled: usize,
    /// Decisions of either kind that this agent's plugin refused.
    pub refused: usize,
    /// Decisions of either kind on which this agent's plugin failed.
    pub failed: usize,
    /// Decisions that enable a node beyond the limit `nodes_max`.
    pub full: usize,
}

impl DecisionCounts {
    /// Returns the number of decisions that are not carried out.
    #[must_use]
    pub fn set_aside(&self) -> usize {
        let by_plugin = self.refused.saturating_add(self.failed);
        by_plugin.saturating_add(self.full)
    }
}

impl EffectiveDecisions {
    /// Returns the effective decision about a node.
    pub fn get(&self, node_id: NodeId) -> Option<&Arc<EffectiveDecision>> {
        self.all.get(&node_id)
    }

    /// Iterates in ascending order of node id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<EffectiveDecision>> {
        self.all.values()
    }

    /// Iterates over those that are not carried out, in ascending order of node id.
    pub fn set_aside(&self) -> impl Iterator<Item = &Arc<EffectiveDecision>> {
        self.set_aside.iter().filter_map(|id| self.all.get(id))
    }

    /// Iterates over the disabled nodes, the one that was disabled last first.
    pub fn disabled(&self) -> impl Iterator<Item = NodeId> {
        let disabled = self.disabled.iter().rev();
        disabled.map(|(_, node_id)| *node_id)
    }

    /// Compares with a newer version, in ascending order of node id. Shared structure is skipped.
    pub fn diff<'a>(
        &'a self,
        newer: &'a Self,
    ) -> impl Iterator<Item = DiffItem<'a, 'a, NodeId, Arc<EffectiveDecision>>> {
        self.all.diff(&newer.all)
    }

    /// Counts the decisions. Takes time in proportion to those that are not carried out.
    pub fn counts(&self) -> DecisionCounts {
        let mut counts = DecisionCounts {
            enabled: self.enabled.len(),
            disabled: self.disabled.len(),
            ..DecisionCounts::default()
        };
        for effective in self.set_aside() {
            let count = match effective.set_aside {
                Some(SetAside::Refused(_)) => &mut counts.refused,
                Some(SetAside::Failed(_)) => &mut counts.failed,
                Some(SetAside::Full) => &mut counts.full,
                None => continue,
            };
            *count = count.saturating_add(1);
        }
        counts
    }

    /// Tells whether the node is to be enabled, carried out or not.
    pub fn enables(&self, node_id: NodeId) -> bool {
        self.enabled.contains(&node_id)
    }

    /// Tells whether the plugin failed on the decision about a node.
    pub fn has_failed(&self, node_id: NodeId) -> bool {
        self.get(node_id)
            .is_some_and(|effective| matches!(effective.set_aside, Some(SetAside::Failed(_))))
    }

    /// Makes a decision the effective one of its node.
    pub fn insert(&mut self, effective: EffectiveDecision) {
        let EffectiveDecision {
            decision,
            set_aside,
        } = &effective;
        let node_id = decision.node_id;
        self.remove(node_id);
        match decision.op {
            Op::Enable { .. } => {
                self.enabled.insert(node_id);
                if matches!(set_aside, Some(SetAside::Full)) {
                    self.full.insert(node_id);
                }
            }
            Op::Disable {} => {
                self.disabled.insert((decision.at, node_id));
            }
        }
        if set_aside.is_some() {
            self.set_aside.insert(node_id);
        }
        self.all.insert(node_id, Arc::new(effective));
    }

    /// Forgets the decision about a node.
    pub fn remove(&mut self, node_id: NodeId) {
        let Some(former) = self.all.remove(&node_id) else {
            return;
        };
        self.enabled.remove(&node_id);
        self.disabled.remove(&(former.decision.at, node_id));
        self.set_aside.remove(&node_id);
        self.full.remove(&node_id);
    }

    /// Tells whether a decision takes precedence over the effective one of its node; of an unknown node, whether it
    /// would be remembered.
    pub fn is_news(&self, decision: &Decision, limits: DecisionLimits) -> bool {
        let node_id = decision.node_id;
        if let Some(effective) = self.get(node_id) {
            return decision.beats(&effective.decision);
        }
        // The node is unknown, so that neither of these holds the node itself.
        let higher = || self.enabled.range(node_id..).next();
        let earlier = || self.disabled.range(..(decision.at, node_id)).next();
        match decision.op {
            Op::Enable { .. } => self.enabled.len() < limits.enabled_max() || higher().is_some(),
            Op::Disable {} => self.disabled.len() < limits.tombstones || earlier().is_some(),
        }
    }

    /// Returns the node whose decision is to be forgotten, if there are more than the limits allow.
    pub fn surplus(&self, limits: DecisionLimits) -> Option<NodeId> {
        if self.enabled.len() > limits.enabled_max() {
            return self.enabled.get_max().copied();
        }
        let is_over = self.disabled.len() > limits.tombstones;
        let lowest = self.disabled.get_min().filter(|_| is_over);
        lowest.map(|(_, node_id)| *node_id)
    }

    /// Returns the node that is beyond the limit when `node_id` is to be enabled: the highest of all. `None` while there
    /// is room.
    pub fn displaced_by(&self, node_id: NodeId, nodes_max: usize) -> Option<NodeId> {
        if self.full.contains(&node_id) {
            return Some(node_id);
        }
        if self.enabled.contains(&node_id) || self.within() < nodes_max {
            return None;
        }
        let highest = self.highest_within().unwrap_or(node_id);
        Some(highest.max(node_id))
    }

    /// Returns an enabled node that is on the wrong side of the limit.
    pub fn misplaced(&self, nodes_max: usize) -> Option<Misplaced> {
        let within = self.within();
        if within > nodes_max {
            return self.highest_within().map(Misplaced::Beyond);
        }
        let first = self.full.get_min().filter(|_| within < nodes_max);
        first.copied().map(Misplaced::Within)
    }

    fn within(&self) -> usize {
        self.enabled.len().saturating_sub(self.full.len())
    }

    fn highest_within(&self) -> Option<NodeId> {
        let highest = match self.full.get_min() {
            Some(first) => self.enabled.range(..*first).next_back(),
            None => self.enabled.get_max(),
        };
        highest.copied()
    }
}

impl FromIterator<EffectiveDecision> for EffectiveDecisions {
    fn from_iter<I: IntoIterator<Item = EffectiveDecision>>(decisions: I) -> Self {
        let mut all = Self::default();
        decisions
            .into_iter()
            .for_each(|effective| all.insert(effective));
        all
    }
}
