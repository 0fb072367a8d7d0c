//! The exchange of decisions with other agents.
//!
//! What others have decided is handed to the writer like any change; what stands here is carried in gossip
//! as far as it is this agent's to carry. Nothing is decided here.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use imbl::ordmap::DiffItem;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{self, Instant};

use super::replicas::{DecisionReplicas, ReplicaAction};
use crate::timer::until;
use crate::view::ViewCell;
use crate::writer::queue::{Operation, Queue};
use edge_cache_core::EdgeCacheError;
use edge_cache_core::NodeId;
use edge_cache_core::decision::{AHEAD_MAX_MS, Decision, HybridClock, ms_of};
use edge_cache_core::decision::{EffectiveDecision, EffectiveDecisions};
use edge_cache_gossip::GossipPool;
use edge_cache_sandbox::WallClock;

/// How many decisions wait for the writer at once.
const AT_ONCE: usize = 256;
/// The pause before decisions that could not be made are tried again.
const RETRY_PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest such pause; they double from one to the next.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(10);
/// How often everything is looked at anew: clocks that were set, and carriers that wind down.
const LOOK_PAUSE: Duration = Duration::from_secs(60);
/// How many bad values are remembered as reported.
const REPORTED_MAX: usize = 1_024;

pub(crate) struct DecisionSync {
    pub(crate) pool: GossipPool,
    pub(crate) view: Arc<ViewCell>,
    pub(crate) queue: Queue,
    pub(crate) clock: WallClock,
    /// Notified when another decision stands.
    pub(crate) decided: Arc<Notify>,
}

impl DecisionSync {
    /// Runs until it is dropped.
    pub(crate) async fn run(self) {
        tokio::join!(self.take_over(), self.carry());
    }

    async fn take_over(&self) {
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
            let pass = self.merge(values, &mut reported).await;
            if pass.ignored > 0 {
                tracing::error!(
                    decisions = pass.ignored,
                    "decisions of other agents were ignored: the registry is full, and agents differ now"
                );
            }
            let mut retry = None;
            if let Some(error) = pass.reason {
                tracing::warn!(decisions = pass.postponed, ?pause, %error, "decisions of other agents are tried again");
                retry = Instant::now().checked_add(pause);
                pause = pause.saturating_mul(2).min(RETRY_PAUSE_MAX);
            } else {
                pause = RETRY_PAUSE_MIN;
            }
            again = again.into_iter().chain(pass.due).chain(retry).min();
        }
    }

    /// Hands decisions to the writer.
    async fn merge(
        &self,
        values: Vec<(NodeId, String)>,
        reported: &mut HashSet<(NodeId, String)>,
    ) -> Pass {
        let now_ms = ms_of(self.clock.time());
        let mut pass = Pass::default();
        let mut asked = JoinSet::new();
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
            if HybridClock::is_ahead(decision.at, now_ms) {
                let due = decision.at.ms().saturating_sub(AHEAD_MAX_MS);
                let wait = Duration::from_millis(due.saturating_sub(now_ms));
                let due = Instant::now().checked_add(wait.min(LOOK_PAUSE));
                pass.due = pass.due.into_iter().chain(due).min();
                continue;
            }
            let decisions = &self.view.load().decisions;
            if decisions
                .get(&node_id)
                .is_some_and(|effective| !decision.beats(&effective.decision))
            {
                continue;
            }
            if asked.len() >= AT_ONCE
                && let Some(outcome) = asked.join_next().await
            {
                pass.add(outcome.unwrap_or(Ok(())));
            }
            let queue = self.queue.clone();
            asked.spawn(async move { queue.ask(Operation::Merge(decision)).await.map(drop) });
        }
        while let Some(outcome) = asked.join_next().await {
            pass.add(outcome.unwrap_or(Ok(())));
        }
        pass
    }

    async fn carry(&self) {
        let mut carriers = DecisionReplicas::default();
        let mut carried = EffectiveDecisions::new();
        let mut agents = None;
        let mut topology = self.pool.subscribe();
        let mut look = time::interval(LOOK_PAUSE);
        loop {
            let looks = tokio::select! {
                () = until(self.pool.settles_at()) => false,
                () = self.decided.notified() => false,
                event = topology.next() => match event {
                    Some(_) => false,
                    // The pool was shut down: nobody is there to carry for.
                    None => return,
                },
                _ = look.tick() => true,
            };
            let decisions = self.view.load().decisions.clone();
            // Somebody who has just joined knows nobody, and must not take itself for the only one.
            let live = self
                .pool
                .settles_at()
                .is_none()
                .then(|| self.pool.live_agents());
            let (own, now) = (self.pool.node_id(), Instant::now());
            let mut judge = |effective: &Arc<EffectiveDecision>| {
                let decision = &effective.decision;
                match carriers.judge(decision, own, live.as_deref(), now) {
                    ReplicaAction::Publish => Some((decision.node_id, Some(decision.encode()))),
                    ReplicaAction::Withdraw => Some((decision.node_id, None)),
                    ReplicaAction::Skip => None,
                }
            };
            let changes: Vec<_> = if live != agents || looks {
                decisions.values().filter_map(&mut judge).collect()
            } else {
                carried
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
            if looks {
                self.look_at_clock(&decisions).await;
            }
            carried = decisions;
            agents = live;
        }
    }

    /// Has decisions of this agent's that are in the future stamped anew.
    async fn look_at_clock(&self, decisions: &EffectiveDecisions) {
        let now_ms = ms_of(self.clock.time());
        let own = self.pool.node_id();
        let is_ahead = |effective: &Arc<EffectiveDecision>| {
            effective.decision.by == own && HybridClock::is_ahead(effective.decision.at, now_ms)
        };
        if decisions.values().any(is_ahead) {
            // Where it fails, the next look tries it again.
            let _ = self.queue.ask(Operation::Restamp).await;
        }
    }
}

/// What became of the decisions of one pass.
#[derive(Debug, Default)]
struct Pass {
    /// When the first of those that are ahead of time is due.
    due: Option<Instant>,
    /// How many could not be made and may be later, and why the last of them.
    postponed: usize,
    reason: Option<EdgeCacheError>,
    /// How many were ignored, since the registry is full.
    ignored: usize,
}

impl Pass {
    fn add(&mut self, outcome: Result<(), EdgeCacheError>) {
        match outcome {
            Ok(()) | Err(EdgeCacheError::ShuttingDown) => {}
            Err(EdgeCacheError::Full { .. }) => self.ignored = self.ignored.saturating_add(1),
            Err(error) => {
                self.postponed = self.postponed.saturating_add(1);
                self.reason = Some(error);
            }
        }
    }
}
