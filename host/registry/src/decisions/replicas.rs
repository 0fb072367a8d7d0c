//! Choice of the agents that keep a replica of a decision in gossip.
//!
//! Gossip forgets an agent's keys some minutes after its death, while a decision must outlive every agent. So several
//! agents publish each decision: its author, the node that it is about, and three others. All agents choose the same
//! three without asking each other. All agents know all decisions, so a newly chosen one needs no transfer.
//!
//! There may be many more disabled nodes than enabled ones. So a decision that disables a node is published for an hour
//! after it was heard or found in the store at the start, and again, by every agent, when a member carries a decision
//! that it beats.

use std::collections::{BTreeMap, BTreeSet};
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

/// The time for which a decision that disables a node is published.
pub(crate) const CARRY_FOR: Duration = Duration::from_secs(60 * 60);

/// The largest number of disabled nodes that are published because the store has them at the start.
pub(crate) const REMEMBERED_MAX: usize = 10_000;

/// The largest number of disabled nodes that are published because a member carries an older decision.
pub(crate) const ANSWERS_MAX: usize = 10_000;

/// The time after which the answer about one node makes room for another, if others wait.
const ANSWER_MIN: Duration = Duration::from_secs(60);

/// The decisions that this agent publishes.
#[derive(Debug, Default)]
pub(crate) struct DecisionReplicas {
    /// Disabled nodes by the time at which that was heard, or found in the store.
    heard: BTreeMap<NodeId, Instant>,
    /// Disabled nodes of which a member carries an older decision, by the time at which that was heard.
    answers: BTreeMap<NodeId, Instant>,
    /// Those for which there was no room among `answers`.
    waiting: BTreeSet<NodeId>,
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
    /// Begins with the disabled nodes that the store has at the start, the one that was disabled last first: other
    /// agents may have lost theirs.
    pub(crate) fn remembered(disabled: impl Iterator<Item = NodeId>, now: Instant) -> Self {
        let disabled = disabled.take(REMEMBERED_MAX);
        Self {
            heard: disabled.map(|node_id| (node_id, now)).collect(),
            ..Self::default()
        }
    }

    /// Notes that the disabling decision about a node was heard.
    pub(crate) fn hear(&mut self, node_id: NodeId, now: Instant) {
        self.heard.insert(node_id, now);
    }

    /// Notes that members carry older decisions about disabled nodes. Returns the nodes whose turn it is.
    pub(crate) fn answer(
        &mut self,
        node_ids: impl IntoIterator<Item = NodeId>,
        now: Instant,
    ) -> Vec<NodeId> {
        self.waiting.extend(node_ids);
        let room_for = self.waiting.len().saturating_add(self.answers.len());
        if room_for > ANSWERS_MAX {
            self.answers
                .retain(|_, since| now.saturating_duration_since(*since) < ANSWER_MIN);
        }
        let mut begun = Vec::new();
        while self.answers.len() < ANSWERS_MAX
            && let Some(node_id) = self.waiting.pop_first()
        {
            self.answers.insert(node_id, now);
            begun.push(node_id);
        }
        begun
    }

    /// Forgets a node whose decision is forgotten. Tells whether there was a replica.
    pub(crate) fn forget(&mut self, node_id: NodeId) -> bool {
        self.heard.remove(&node_id);
        self.answers.remove(&node_id);
        self.waiting.remove(&node_id);
        self.published.remove(&node_id).is_some()
    }

    /// Decides about the replica of a decision that disables a node.
    fn judge_disabled(
        &mut self,
        decision: &Decision,
        own: NodeId,
        agents: Option<&[NodeId]>,
        is_replicated: impl FnOnce() -> bool,
        now: Instant,
    ) -> ReplicaAction {
        let node_id = decision.node_id;
        let is_within = |times: &mut BTreeMap<NodeId, Instant>| {
            let since = times.get(&node_id).copied();
            let is_within = since.is_some_and(|at| now.saturating_duration_since(at) < CARRY_FOR);
            if !is_within {
                times.remove(&node_id);
            }
            is_within
        };
        let is_answer = is_within(&mut self.answers);
        let is_recent = is_within(&mut self.heard);
        let is_published = self.published.contains_key(&node_id);
        let is_needed =
            || is_published || is_chosen(decision, own, agents) || is_lost(agents, is_replicated);
        if is_answer || (is_recent && is_needed()) {
            self.published.insert(node_id, None);
            return ReplicaAction::Publish;
        }
        match self.published.remove(&node_id) {
            Some(_) => ReplicaAction::Withdraw,
            None => ReplicaAction::Skip,
        }
    }

    /// Decides about the replica of a decision.
    ///
    /// `agents` are the other live agents in ascending order. While they are unknown, nobody is chosen and nothing is
    /// withdrawn. A decision that no other live member replicates is published by everyone who remembers it: those chosen
    /// may not know it.
    pub(crate) fn judge(
        &mut self,
        decision: &Decision,
        own: NodeId,
        agents: Option<&[NodeId]>,
        is_replicated: impl FnOnce() -> bool,
        now: Instant,
    ) -> ReplicaAction {
        if !decision.enables() {
            return self.judge_disabled(decision, own, agents, is_replicated, now);
        }
        let node_id = decision.node_id;
        if is_chosen(decision, own, agents) || is_lost(agents, is_replicated) {
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

/// Tells whether no other live member replicates a decision, as far as that is known.
fn is_lost(agents: Option<&[NodeId]>, is_replicated: impl FnOnce() -> bool) -> bool {
    agents.is_some() && !is_replicated()
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
