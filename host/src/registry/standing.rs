//! The decisions that stand: of all about a node the one that wins.

use std::sync::Arc;

use imbl::OrdMap;

use crate::decision::{Decision, Mark};
use crate::types::NodeId;

/// A decision that no known one beats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The decision.
    pub decision: Decision,
    /// Why this agent's component did not follow it, if so. It stands all the same, since all agents must
    /// agree; the entry of before stays beside it. The component is asked again after the next start or swap.
    pub refused: Option<String>,
    pub(crate) mark: Mark,
}

impl Standing {
    pub(crate) fn new(decision: Decision, refused: Option<String>) -> Self {
        Self {
            decision,
            refused,
            mark: Mark::default(),
        }
    }
}

/// How many decisions stand, by what they say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Decisions {
    /// Those that a node is enabled.
    pub enabled: usize,
    /// Those that a node is disabled: they are kept, so that older ones do not come back.
    pub disabled: usize,
    /// Of all of them, those that this agent's component did not follow.
    pub refused: usize,
}

impl Decisions {
    pub(crate) fn of(standings: &Standings) -> Self {
        let count = |counts: &dyn Fn(&Standing) -> bool| {
            standings
                .values()
                .filter(|standing| counts(standing))
                .count()
        };
        let enabled = count(&|standing| standing.decision.enabled().is_some());
        Self {
            enabled,
            disabled: standings.len().saturating_sub(enabled),
            refused: count(&|standing| standing.refused.is_some()),
        }
    }
}

/// The standing decisions of all nodes, disabled ones among them. Cheap to clone.
pub(crate) type Standings = OrdMap<NodeId, Arc<Standing>>;
