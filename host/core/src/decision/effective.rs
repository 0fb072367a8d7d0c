//! The decisions that stand: of all about a node the one that wins.

use std::sync::Arc;

use imbl::OrdMap;

use super::Decision;
use crate::NodeId;

/// A decision that no known one beats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveDecision {
    /// The decision.
    pub decision: Decision,
    /// Why this agent's component did not follow it, if so. It stands all the same, since all agents must
    /// agree; the entry of before stays beside it. The component is asked again after the next start or swap.
    pub refused: Option<String>,
}

impl EffectiveDecision {
    /// Returns the standing decision.
    pub fn new(decision: Decision, refused: Option<String>) -> Self {
        Self { decision, refused }
    }
}

/// How many decisions stand, by what they say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DecisionCounts {
    /// Those that a node is enabled.
    pub enabled: usize,
    /// Those that a node is disabled: they are kept, so that older ones do not come back.
    pub disabled: usize,
    /// Of all of them, those that this agent's component did not follow.
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

/// The standing decisions of all nodes, disabled ones among them. Cheap to clone.
pub type EffectiveDecisions = OrdMap<NodeId, Arc<EffectiveDecision>>;
