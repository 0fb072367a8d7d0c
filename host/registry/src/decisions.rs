//! Exchange of decisions with other agents over gossip.
//!
//! Decisions of other agents go to the writer like any change. Effective decisions are published in gossip where this
//! agent keeps a replica. Nothing is decided here.

mod replicas;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use imbl::ordmap::DiffItem;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{self, Instant};

use self::replicas::{DecisionReplicas, ReplicaAction};
use crate::state::RegistryState;
use crate::writer::operation::Operation;
use crate::writer::queue::Queue;
use edge_cache_core::decision::{Decision, EffectiveDecision, EffectiveDecisions};
use edge_cache_core::{EdgeCacheError, NodeId};
use edge_cache_gossip::GossipPool;

/// The largest number of decisions that wait for the writer at once.
const MERGES_MAX: usize = 256;
/// The first pause before failed decisions are tried again.
const RETRY_PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause. Each pause is twice the one before.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(10);
/// The interval of a full check for replicas to withdraw.
const FULL_CHECK_INTERVAL: Duration = Duration::from_secs(60);
/// The largest number of bad values that are remembered as logged.
const REPORTED_MAX: usize = 1_024;

/// The task that synchronises decisions.
pub(crate) struct DecisionSync {
    pub(crate) pool: GossipPool,
    pub(crate) state: Arc<RegistryState>,
    pub(crate) queue: Queue,
}

impl DecisionSync {
    /// Starts the task, which runs until it is aborted.
    pub(crate) fn start(self) -> AbortHandle {
        let task = async move { tokio::join!(self.receive(), self.publish()) };
        tokio::spawn(task).abort_handle()
    }

    /// Takes decisions of other agents from gossip, and tries failed ones again.
    async fn receive(&self) {
        let mut reported = HashSet::new();
        let mut again: Option<Instant> = None;
        let mut pause = RETRY_PAUSE_MIN;
        loop {
            let values = tokio::select! {
                values = self.pool.take_decisions() => values,
                () = until(again) => {
                    again = None;
                    self.pool.redeliver_decisions();
                    continue;
                }
            };
            let errors = self.merge(values, &mut reported).await;
            let (full, mut failed): (Vec<_>, Vec<_>) = errors
                .into_iter()
                .filter(|error| *error != EdgeCacheError::ShuttingDown)
                .partition(|error| matches!(error, EdgeCacheError::Full { .. }));
            if !full.is_empty() {
                tracing::error!(
                    decisions = full.len(),
                    "decisions of other agents were ignored because the registry is full; the agents now differ"
                );
            }
            let decisions = failed.len();
            if let Some(error) = failed.pop() {
                tracing::warn!(
                    decisions,
                    pause_s = pause.as_secs_f64(),
                    %error,
                    "decisions of other agents failed and are tried again"
                );
                let retry = Instant::now().checked_add(pause);
                again = again.into_iter().chain(retry).min();
                pause = pause.saturating_mul(2).min(RETRY_PAUSE_MAX);
            } else {
                pause = RETRY_PAUSE_MIN;
            }
        }
    }

    /// Hands decisions to the writer. Returns the errors of those that it did not take.
    async fn merge(
        &self,
        values: Vec<(NodeId, String)>,
        reported: &mut HashSet<(NodeId, String)>,
    ) -> Vec<EdgeCacheError> {
        let mut errors = Vec::new();
        let mut merges = JoinSet::new();
        for (node_id, value) in values {
            let decision = match Decision::decode(node_id, &value) {
                Ok(decision) => decision,
                Err(error) => {
                    if reported.len() >= REPORTED_MAX {
                        reported.clear();
                    }
                    if reported.insert((node_id, value)) {
                        self.pool.count_bad_decision();
                        tracing::warn!(node_id, %error, "ignored a decision of another agent");
                    }
                    continue;
                }
            };
            let decisions = &self.state.view.load().decisions;
            if decisions
                .get(&node_id)
                .is_some_and(|effective| !decision.beats(&effective.decision))
            {
                continue;
            }
            if merges.len() >= MERGES_MAX
                && let Some(result) = merges.join_next().await
            {
                errors.extend(result.ok().and_then(Result::err));
            }
            let queue = self.queue.clone();
            merges.spawn(async move { queue.ask(Operation::Merge(decision)).await.map(drop) });
        }
        while let Some(result) = merges.join_next().await {
            errors.extend(result.ok().and_then(Result::err));
        }
        errors
    }

    /// Publishes this agent's replicas, and withdraws those that are not needed any more.
    async fn publish(&self) {
        let mut replicas = DecisionReplicas::default();
        let mut published = EffectiveDecisions::new();
        let mut agents = None;
        let mut topology = self.pool.subscribe();
        let mut full_checks = time::interval(FULL_CHECK_INTERVAL);
        loop {
            let is_full = tokio::select! {
                () = until(self.pool.settles_at()) => false,
                () = self.state.decisions_changed.notified() => false,
                event = topology.next() => match event {
                    Some(_) => false,
                    // The pool was shut down.
                    None => return,
                },
                _ = full_checks.tick() => true,
            };
            let decisions = self.state.view.load().decisions.clone();
            // An agent that has just joined knows nobody, and must not take itself for the only one.
            let is_settled = self.pool.settles_at().is_none();
            let live = is_settled.then(|| self.pool.live_agents());
            let (own, now) = (self.pool.node_id(), Instant::now());
            let mut judge = |effective: &Arc<EffectiveDecision>| {
                let decision = &effective.decision;
                match replicas.judge(decision, own, live.as_deref(), now) {
                    ReplicaAction::Publish => Some((decision.node_id, Some(decision.encode()))),
                    ReplicaAction::Withdraw => Some((decision.node_id, None)),
                    ReplicaAction::Skip => None,
                }
            };
            let changes: Vec<_> = if live != agents || is_full {
                decisions.values().filter_map(&mut judge).collect()
            } else {
                published
                    .diff(&decisions)
                    .filter_map(|change| match change {
                        DiffItem::Add(_, effective)
                        | DiffItem::Update {
                            new: (_, effective),
                            ..
                        } => judge(effective),
                        DiffItem::Remove(..) => None,
                    })
                    .collect()
            };
            self.pool.publish_decisions(changes);
            published = decisions;
            agents = live;
        }
    }
}

/// Waits until a point in time; for ever if there is none.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
