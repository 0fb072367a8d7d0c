//! The effective decision about each node.

use std::sync::Arc;

use imbl::OrdMap;

use super::Decision;
use crate::NodeId;

/// The decision about a node that takes precedence over all others known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveDecision {
    /// The decision.
    pub decision: Decision,
    /// Why this agent's plugin refused the decision, if it did.
    ///
    /// The decision is effective all the same, since all agents must agree; this agent keeps its former entry. The plugin
    /// is asked again after the next start or swap.
    pub refused: Option<String>,
}

impl EffectiveDecision {
    /// Creates an effective decision.
    pub fn new(decision: Decision, refused: Option<String>) -> Self {
        Self { decision, refused }
    }
}

/// The effective decisions of all nodes, disabled nodes included. Cheap to clone.
///
/// Decisions about disabled nodes are kept: otherwise an older decision could enable the node again.
pub type EffectiveDecisions = OrdMap<NodeId, Arc<EffectiveDecision>>;

/// The numbers of effective decisions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DecisionCounts {
    /// Decisions that enable a node.
    pub enabled: usize,
    /// Decisions that disable a node.
    pub disabled: usize,
    /// Decisions of either kind that this agent's plugin refused.
    pub refused: usize,
}

impl DecisionCounts {
    /// Counts the decisions.
    pub fn of(decisions: &EffectiveDecisions) -> Self {
        let count = |counts: &dyn Fn(&EffectiveDecision) -> bool| {
            decisions
                .values()
                .filter(|effective| counts(effective))
                .count()
        };
        let enabled = count(&|effective| effective.decision.enabled().is_some());
        Self {
            enabled,
            disabled: decisions.len().saturating_sub(enabled),
            refused: count(&|effective| effective.refused.is_some()),
        }
    }
}
