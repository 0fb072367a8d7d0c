//! Who keeps a decision in gossip.
//!
//! What an agent writes in gossip is forgotten some minutes after it has died, while a decision must
//! outlive everybody. So several agents carry each one: who took it, the node that it is about, and three
//! others that all agents choose alike, without asking each other. All agents know all decisions, so
//! whoever is chosen anew has what it takes.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use edge_cache_core::NodeId;
use edge_cache_core::decision::Decision;

/// How many agents carry a decision besides its origin and the node that it is about.
const CHOSEN: usize = 3;

/// How long a carrier that is no longer chosen goes on: others may not know of each other yet.
pub(crate) const STOP_AFTER: Duration = Duration::from_secs(60 * 60);

/// What this agent carries.
#[derive(Debug, Default)]
pub(crate) struct DecisionReplicas {
    /// Since when a decision is carried without being this agent's to carry; `None` while it is.
    carried: BTreeMap<NodeId, Option<Instant>>,
}

/// What is to become of this agent's copy of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplicaAction {
    /// It is to be there, and to be the newest.
    Publish,
    /// There is none, and none is needed.
    Skip,
    /// It is to go.
    Withdraw,
}

impl DecisionReplicas {
    /// Decides about a decision. `agents` are the live agents in ascending order, without this one; while
    /// they are not known yet, nobody is chosen and nobody stops.
    pub(crate) fn judge(
        &mut self,
        decision: &Decision,
        own: NodeId,
        agents: Option<&[NodeId]>,
        now: Instant,
    ) -> ReplicaAction {
        let node_id = decision.node_id;
        if is_carrier(decision, own, agents) {
            self.carried.insert(node_id, None);
            return ReplicaAction::Publish;
        }
        match self.carried.get_mut(&node_id) {
            None => ReplicaAction::Skip,
            Some(_) if agents.is_none() => ReplicaAction::Publish,
            Some(since) => {
                let since = *since.get_or_insert(now);
                if now.saturating_duration_since(since) < STOP_AFTER {
                    return ReplicaAction::Publish;
                }
                self.carried.remove(&node_id);
                ReplicaAction::Withdraw
            }
        }
    }
}

/// Whether an agent is to carry a decision.
fn is_carrier(decision: &Decision, own: NodeId, agents: Option<&[NodeId]>) -> bool {
    let node_id = decision.node_id;
    if own == decision.by || own == node_id {
        return true;
    }
    let Some(agents) = agents else { return false };
    let rank = rank(node_id, own);
    let before = agents
        .iter()
        .filter(|agent| self::rank(node_id, **agent) > rank);
    before.take(CHOSEN).count() < CHOSEN
}

/// The place of an agent among the carriers of a node; the highest carry. Rendezvous hashing: an agent that
/// comes or goes changes nothing between the others.
fn rank(node_id: NodeId, agent: NodeId) -> (u64, NodeId) {
    (mix(mix(node_id) ^ agent), agent)
}

/// The finaliser of `SplitMix64`, which all agents must share.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests;
