//! Choice of the agents that keep a replica of a decision in gossip.
//!
//! Gossip forgets an agent's keys some minutes after its death, while a decision must outlive every agent. So several
//! agents publish each decision: its author, the node that it is about, and three others. All agents choose the same
//! three without asking each other. All agents know all decisions, so a newly chosen one needs no transfer.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use edge_cache_core::NodeId;
use edge_cache_core::decision::Decision;

#[cfg(test)]
mod tests;

/// The number of agents that publish a decision besides its author and the node that it is about.
const CHOSEN: usize = 3;

/// The time for which an agent that is no longer chosen goes on publishing: the chosen ones may not know of each other
/// yet.
pub(crate) const WITHDRAW_AFTER: Duration = Duration::from_secs(60 * 60);

/// The decisions that this agent publishes.
#[derive(Debug, Default)]
pub(crate) struct DecisionReplicas {
    /// By node: `None` while this agent is chosen, otherwise the time since when it is not.
    published: BTreeMap<NodeId, Option<Instant>>,
}

/// The action for this agent's replica of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplicaAction {
    /// Publish the decision, in place of an older one of its node.
    Publish,
    /// Do nothing: there is no replica here, and none is needed.
    Skip,
    /// Remove the replica.
    Withdraw,
}

impl DecisionReplicas {
    /// Decides about the replica of a decision.
    ///
    /// `agents` are the other live agents in ascending order. While they are unknown, nobody is chosen and nothing is
    /// withdrawn.
    pub(crate) fn judge(
        &mut self,
        decision: &Decision,
        own: NodeId,
        agents: Option<&[NodeId]>,
        now: Instant,
    ) -> ReplicaAction {
        let node_id = decision.node_id;
        if is_chosen(decision, own, agents) {
            self.published.insert(node_id, None);
            return ReplicaAction::Publish;
        }
        match self.published.get_mut(&node_id) {
            None => ReplicaAction::Skip,
            Some(_) if agents.is_none() => ReplicaAction::Publish,
            Some(since) => {
                let since = *since.get_or_insert(now);
                if now.saturating_duration_since(since) < WITHDRAW_AFTER {
                    return ReplicaAction::Publish;
                }
                self.published.remove(&node_id);
                ReplicaAction::Withdraw
            }
        }
    }
}

/// Tells whether an agent is to publish a decision.
fn is_chosen(decision: &Decision, own: NodeId, agents: Option<&[NodeId]>) -> bool {
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

/// Returns the rank of an agent for a node; the highest ranks are chosen. Rendezvous hashing: an agent that joins or
/// leaves does not change the order of the others.
fn rank(node_id: NodeId, agent: NodeId) -> (u64, NodeId) {
    (mix(mix(node_id) ^ agent), agent)
}

/// Mixes the bits with the finaliser of `SplitMix64`. All agents must use the same.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
