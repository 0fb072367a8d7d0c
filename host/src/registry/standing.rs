//! The decisions that stand: of all about a node the one that wins.

use std::sync::Arc;

use imbl::OrdMap;

use crate::decision::Decision;
use crate::types::NodeId;

/// A decision that no known one beats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The decision.
    pub decision: Decision,
    /// Why this agent's component did not follow it, if so. It stands all the same, since all agents must
    /// agree; the entry of before stays beside it. The component is asked again after the next start.
    pub refused: Option<String>,
}

/// The standing decisions of all nodes, disabled ones among them. Cheap to clone.
pub(crate) type Standings = OrdMap<NodeId, Arc<Standing>>;
