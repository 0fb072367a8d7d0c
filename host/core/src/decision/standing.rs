//! The decisions that stand: of all about a node the one that wins.

use std::sync::Arc;

use imbl::OrdMap;

use super::{Decision, Mark};
use crate::NodeId;

/// A decision that no known one beats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The decision.
    pub decision: Decision,
    /// Why this agent's component did not follow it, if so. It stands all the same, since all agents must
    /// agree; the entry of before stays beside it. The component is asked again after the next start or swap.
    pub refused: Option<String>,
    /// The cached hash of the value on the wire.
    pub mark: Mark,
}

impl Standing {
    /// Returns the standing decision.
    pub fn new(decision: Decision, refused: Option<String>) -> Self {
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
    /// Counts the decisions.
    pub fn of(standings: &Standings) -> Self {
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
pub type Standings = OrdMap<NodeId, Arc<Standing>>;
