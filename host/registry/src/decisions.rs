//! Exchange of decisions with other agents over gossip.
//!
//! Decisions of other agents go to the writer like any change. Effective decisions are published in gossip where this
//! agent keeps a replica. Nothing is decided here.

mod replicas;
mod stats;

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use imbl::ordmap::DiffItem;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{self, Instant};

use self::replicas::{DecisionReplicas, ReplicaAction};
use crate::state::RegistryState;
use crate::writer::operation::Operation;
use crate::writer::queue::Queue;
use edge_cache_core::decision::Decision;
use edge_cache_core::effective::{DecisionLimits, EffectiveDecisions};
use edge_cache_core::{EdgeCacheError, NodeId};
use edge_cache_gossip::{GossipPool, JoinState, LogLimit};

/// The largest number of decisions that wait for the writer at once.
const MERGES_MAX: usize = 256;
/// The first pause before failed decisions are tried again.
const RETRY_PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause. Each pause is twice the one before.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(10);
/// The interval of a full check for replicas that are missing, or to withdraw.
const FULL_CHECK_INTERVAL: Duration = Duration::from_secs(20);
/// The shortest interval of log lines about decisions that are not carried out.
const LOG_INTERVAL: Duration = Duration::from_secs(10);
/// The largest number of nodes that such a line names.
const NAMED_MAX: usize = 32;
/// The largest number of bad values that are remembered as logged.
const REPORTED_MAX: usize = 1_024;

pub(crate) struct DecisionSync {
    pub(crate) pool: GossipPool,
    pub(crate) state: Arc<RegistryState>,
    pub(crate) queue: Queue,
    /// Disabled nodes of which a member carries an older decision.
    pub(crate) beaten: Mutex<BTreeSet<NodeId>>,
    /// Changes with every view that has other entries.
    pub(crate) entries_changed: watch::Receiver<()>,
}

impl DecisionSync {
    /// Starts the task, which runs until it is aborted.
    pub(crate) fn start(self) -> AbortHandle {
        let task = async move {
            let changed = self.entries_changed.clone();
            let stats = stats::publish(&self.pool, &self.state, changed);
            tokio::join!(self.receive(), self.publish(), stats)
        };
        tokio::spawn(task).abort_handle()
    }

    /// Takes decisions of other agents from gossip, and tries failed ones again.
    async fn receive(&self) {
        let (mut reported, mut log) = (HashSet::new(), LogLimit::default());
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
            let errors = self.merge(values, &mut reported, &mut log).await;
            let mut failed: Vec<_> = errors
                .into_iter()
                .filter(|error| *error != EdgeCacheError::ShuttingDown)
                .collect();
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
        log: &mut LogLimit,
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
                        if let Some(left_out) = log.pass() {
                            tracing::warn!(left_out, node_id, %error, "ignored a decision of another agent");
                        }
                    }
                    continue;
                }
            };
            if !self.is_news(&decision) {
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

    /// Tells whether the writer is to make a decision effective. Otherwise notes what follows for other agents.
    fn is_news(&self, decision: &Decision) -> bool {
        let decisions = &self.state.view.load().decisions;
        if decisions.is_news(decision, self.limits()) {
            return true;
        }
        match decisions.get(decision.node_id) {
            None => {
                self.state.forgot(decision);
                // Room that has come meanwhile was for those that were forgotten before.
                let decisions = &self.state.view.load().decisions;
                return decisions.is_news(decision, self.limits());
            }
            Some(effective) if !effective.decision.enables() && effective.decision != *decision => {
                self.beaten().insert(decision.node_id);
                self.state.decisions_changed.notify_one();
            }
            Some(_) => {}
        }
        false
    }

    fn limits(&self) -> DecisionLimits {
        (&self.state.plugin.load().config().limits).into()
    }

    fn beaten(&self) -> MutexGuard<'_, BTreeSet<NodeId>> {
        self.beaten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has all decisions delivered again, if there is room now for those that were not remembered.
    fn use_room(&self, decisions: &EffectiveDecisions) {
        let enabled = decisions.counts().enabled;
        let has_room = enabled < self.limits().enabled_max();
        if has_room && self.state.lacks_room.swap(false, Ordering::SeqCst) {
            self.pool.redeliver_decisions();
        }
    }

    /// Publishes this agent's replicas, and withdraws those that are not needed any more.
    async fn publish(&self) {
        let mut published = self.state.view.load().decisions.clone();
        let mut replicas = DecisionReplicas::remembered(published.disabled(), Instant::now());
        let mut agents = None;
        let mut logged = LoggedSetAside::default();
        let mut topology = self.pool.subscribe();
        let mut join = self.pool.watch_join();
        let mut full_checks = time::interval(FULL_CHECK_INTERVAL);
        loop {
            let is_full = tokio::select! {
                Ok(()) = join.changed() => false,
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
            let has_joined = *join.borrow_and_update() != JoinState::Joining;
            let live = has_joined.then(|| self.pool.live_agents());
            let (own, now) = (self.pool.node_id(), Instant::now());
            let mut forgotten = Vec::new();
            let mut changed = BTreeSet::new();
            for change in published.diff(&decisions) {
                match change {
                    DiffItem::Add(node_id, effective)
                    | DiffItem::Update {
                        new: (node_id, effective),
                        ..
                    } => {
                        if !effective.decision.enables() {
                            replicas.hear(*node_id, now);
                        }
                        changed.insert(*node_id);
                    }
                    DiffItem::Remove(node_id, _) => {
                        if replicas.forget(*node_id) {
                            forgotten.push((*node_id, None));
                        }
                    }
                }
            }
            changed.extend(replicas.answer(std::mem::take(&mut *self.beaten()), now));
            let mut judge = |decision: &Decision| match replicas.judge(
                decision,
                own,
                live.as_deref(),
                || self.pool.is_replicated(decision),
                now,
            ) {
                ReplicaAction::Publish => Some((decision.node_id, Some(decision.encode()))),
                ReplicaAction::Withdraw => Some((decision.node_id, None)),
                ReplicaAction::Skip => None,
            };
            let judged: Vec<_> = if live != agents || is_full {
                decisions
                    .iter()
                    .filter_map(|effective| judge(&effective.decision))
                    .collect()
            } else {
                changed
                    .into_iter()
                    .filter_map(|node_id| judge(&decisions.get(node_id)?.decision))
                    .collect()
            };
            self.pool
                .publish_decisions(forgotten.into_iter().chain(judged));
            if is_full {
                self.pool.recount_replicas();
            }
            self.use_room(&decisions);
            logged.log(&decisions, now);
            published = decisions;
            agents = live;
        }
    }
}

/// The decisions that are not carried out, as logged last.
#[derive(Debug, Default)]
struct LoggedSetAside {
    counts: (usize, usize, usize),
    /// The nodes with the lowest ids.
    nodes: String,
    at: Option<Instant>,
}

impl LoggedSetAside {
    /// Logs the decisions if they have changed, at most once an interval.
    fn log(&mut self, decisions: &EffectiveDecisions, now: Instant) {
        let is_recent = |at| now.saturating_duration_since(at) < LOG_INTERVAL;
        if self.at.is_some_and(is_recent) {
            return;
        }
        let counts = decisions.counts();
        let (refused, failed, full) = (counts.refused, counts.failed, counts.full);
        let nodes = decisions.set_aside().take(NAMED_MAX);
        let nodes: Vec<_> = nodes.map(|it| it.decision.node_id.to_string()).collect();
        let nodes = nodes.join(",");
        if self.counts == (refused, failed, full) && self.nodes == nodes {
            return;
        }
        if counts.set_aside() == 0 {
            tracing::info!("all decisions are carried out again");
        } else {
            tracing::error!(
                refused,
                failed,
                full,
                nodes,
                "decisions are set aside: this registry may differ from those of other agents"
            );
        }
        (self.counts, self.nodes, self.at) = ((refused, failed, full), nodes, Some(now));
    }
}

/// Waits until a point in time; for ever if there is none.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
