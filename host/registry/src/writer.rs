//! The one thread that changes anything.
//!
//! It owns the component's instance. Every change goes through it, in order: call the component, commit,
//! publish the view, hand the labels on, answer. Changes that wait together are committed together; a
//! failure first commits what came before it. Undoing is always the same: a fresh instance, loaded with
//! what is remembered.

mod batch;
mod deciding;
mod durable;
mod instance;
pub(crate) mod load;
mod quarantine;
pub(crate) mod queue;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Instant;

use tokio::sync::{Notify, watch};

use self::batch::Batch;
use self::deciding::Deciding;
pub(crate) use self::durable::Durable;
use self::quarantine::Quarantine;
use self::queue::{Operation, Outcome, Request, Requests};
use crate::advertiser::Advertiser;
use crate::metrics::RegistryMetrics;
use crate::supervisor::{Next, Supervisor};
use crate::view::{View, ViewCell};
use edge_cache_core::EdgeCacheError;
use edge_cache_core::NodeId;
use edge_cache_core::decision::{Decision, HybridClock, Timestamp, ms_of};
use edge_cache_core::labels::Labels;
use edge_cache_sandbox::PluginCell;
use edge_cache_sandbox::{Failure, Instance, InstanceConfig, Plugin};

/// What a writer works with.
pub(crate) struct Parts {
    pub(crate) plugin: Plugin,
    /// The same, for those who read.
    pub(crate) shown: Arc<PluginCell>,
    pub(crate) config: InstanceConfig,
    pub(crate) advertiser: Arc<dyn Advertiser>,
    pub(crate) view: Arc<ViewCell>,
    pub(crate) metrics: Arc<RegistryMetrics>,
    pub(crate) durable: Durable,
    /// The labels of the own node that are remembered.
    pub(crate) own_labels: Labels,
    /// Notified when another decision stands.
    pub(crate) decided: Arc<Notify>,
    /// Notified when another component decides.
    pub(crate) replaced: Arc<Notify>,
    /// Told of every view with other entries.
    pub(crate) changed: watch::Sender<()>,
}

pub(crate) struct Writer {
    parts: Parts,
    supervisor: Supervisor,
    quarantine: Quarantine,
    running: Running,
    stamps: HybridClock,
    /// Whether entries may still be without a decision, since a commit failed.
    undecided: bool,
}

enum Running {
    Instance(Box<Instance>),
    /// There is none; this says when the next is due.
    Down(Next),
}

/// Why a change did not come to a result of the component's own.
enum Stopped {
    /// Nothing was called.
    Refused(EdgeCacheError),
    /// The instance must go.
    Failed(Failure),
}

impl Writer {
    /// A writer whose first instance has been tried.
    pub(crate) fn start(parts: Parts) -> Self {
        let mut writer = Self {
            parts,
            supervisor: Supervisor::default(),
            quarantine: Quarantine::default(),
            running: Running::Down(Next::Retry(Instant::now())),
            stamps: HybridClock::default(),
            undecided: false,
        };
        writer.revive();
        writer.begin_deciding();
        writer
    }

    /// Serves the queue until it is told to stop or nobody is left who could ask.
    pub(crate) fn run(mut self, queue: &Requests) {
        loop {
            self.catch_up(Instant::now());
            if let Running::Down(Next::Retry(at)) = self.running {
                // Changes wait for the attempt, but nobody waits with a stop for several of them.
                if queue.is_stopping() {
                    self.running = Running::Down(Next::Degraded(at));
                } else {
                    thread::sleep(at.saturating_duration_since(Instant::now()));
                }
                continue;
            }
            let first = match self.due() {
                None => queue.next().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => queue.next_within(at.saturating_duration_since(Instant::now())),
            };
            let flow = match first {
                Ok(first) => self.serve(first, queue),
                Err(RecvTimeoutError::Timeout) => ControlFlow::Continue(()),
                Err(RecvTimeoutError::Disconnected) => ControlFlow::Break(()),
            };
            if flow.is_break() {
                // A commit that failed may have come through: the store must not keep what was refused.
                self.reopen_store(Instant::now());
                return;
            }
        }
    }

    /// When something is to be tried again, if anything has failed.
    fn due(&self) -> Option<Instant> {
        let instance = match self.running {
            Running::Instance(_) => None,
            Running::Down(Next::Retry(at) | Next::Degraded(at)) => Some(at),
        };
        instance
            .into_iter()
            .chain(self.parts.durable.retry_at())
            .min()
    }

    /// Tries again what is due.
    fn catch_up(&mut self, now: Instant) {
        if self.parts.durable.retry_at().is_some_and(|at| at <= now) {
            self.reopen_store(now);
        }
        if let Running::Down(Next::Retry(at) | Next::Degraded(at)) = self.running
            && at <= now
        {
            self.revive();
        }
    }

    fn reopen_store(&mut self, now: Instant) {
        let view = self.parts.view.load_full();
        self.parts
            .durable
            .reopen(&view, &self.parts.own_labels, now);
        self.show_store();
        if self.undecided && self.parts.durable.failure().is_none() {
            self.begin_deciding();
        }
    }

    /// Makes one batch of what waits.
    fn serve(&mut self, first: Request, queue: &Requests) -> ControlFlow<()> {
        let start = Instant::now();
        let mut taken = 0_usize;
        let mut batch = self.new_batch();
        let mut next = Some(first);
        let mut flow = ControlFlow::Continue(());
        while let Some(request) = next.take() {
            let (operation, answer) = match request {
                Request::Change {
                    operation,
                    answer,
                    room,
                } => {
                    drop(room);
                    (operation, answer)
                }
                Request::Swap { plugin, answer } => {
                    let fresh = self.new_batch();
                    self.commit(std::mem::replace(&mut batch, fresh));
                    // The caller may have gone away; the swap stays.
                    let _ = answer.send(self.swap(*plugin));
                    batch = self.new_batch();
                    if !self.is_due_at_once() {
                        next = queue.waiting();
                    }
                    continue;
                }
                Request::Stop => {
                    flow = ControlFlow::Break(());
                    break;
                }
            };
            let kind = operation.kind();
            let result = self.decide(&mut batch, operation);
            batch.hold(kind, answer, result);
            taken = taken.saturating_add(1);
            // While a fresh instance is due, changes wait for it.
            if !self.is_due_at_once() && batch.len() < self.parts.plugin.config().limits.batch {
                next = queue.waiting();
            }
        }
        self.commit(batch);
        self.parts.metrics.add_batch(taken, start.elapsed());
        flow
    }

    /// Whether changes wait for a fresh instance.
    fn is_due_at_once(&self) -> bool {
        matches!(self.running, Running::Down(Next::Retry(_)))
    }

    /// Has the component make a change in the batch. After a failure, what came before it is committed and
    /// a new batch begun.
    fn decide(
        &mut self,
        batch: &mut Batch,
        operation: Operation,
    ) -> Result<Outcome, EdgeCacheError> {
        // What the component logs meanwhile is told by it. It costs nothing where nobody debugs.
        let _span = tracing::debug_span!("change", ?operation).entered();
        if let Some(own) = self.parts.advertiser.node_id()
            && self.stamps.is_fast(ms_of(self.parts.config.clock.time()))
        {
            self.restamp(batch, own);
        }
        match (&operation, self.parts.advertiser.node_id()) {
            (Operation::Merge(decision), _) if !batch.is_news(decision) => {
                return Ok(Outcome::Merged);
            }
            (Operation::Restamp, Some(own)) => {
                self.restamp(batch, own);
                return Ok(Outcome::Merged);
            }
            _ => {}
        }
        match self.call(batch, &operation) {
            Ok(result) => result,
            Err(Stopped::Refused(error)) => Err(error),
            Err(Stopped::Failed(failure)) => {
                let fresh = self.new_batch();
                self.commit(std::mem::replace(batch, fresh));
                self.quarantine.add(operation.clone(), Instant::now());
                self.down(&failure);
                self.catch_up(Instant::now());
                *batch = self.new_batch();
                if let Operation::Merge(decision) = operation {
                    // It stands for all agents, whatever this one's component makes of it.
                    self.stamps.observe(decision.at);
                    batch.stand(decision, Some(failure.to_string()));
                    return Ok(Outcome::Merged);
                }
                Err(EdgeCacheError::PluginFailed(failure.to_string()))
            }
        }
    }

    fn call(
        &mut self,
        batch: &mut Batch,
        operation: &Operation,
    ) -> Result<Result<Outcome, EdgeCacheError>, Stopped> {
        let by = self.parts.advertiser.node_id();
        let now_ms = ms_of(self.parts.config.clock.time());
        let mut stamps = self.stamps;
        let instance = self.admit(batch, operation).map_err(Stopped::Refused)?;
        let mut deciding = Deciding {
            by,
            now_ms,
            stamps: &mut stamps,
        };
        let result = deciding.call(instance, batch, operation);
        self.stamps = stamps;
        result.map_err(Stopped::Failed)
    }

    /// Whether a change may be made now at all.
    fn admit(
        &mut self,
        batch: &Batch,
        operation: &Operation,
    ) -> Result<&mut Instance, EdgeCacheError> {
        let now = Instant::now();
        let limit = self.parts.plugin.config().limits.nodes_max;
        if let Operation::Enable { node_id, .. } | Operation::Merge(Decision { node_id, .. }) =
            operation
            && batch.entries.len().max(batch.decisions.len()) >= limit
            && !batch.entries.contains(*node_id)
            && !batch.decisions.contains_key(node_id)
        {
            return Err(EdgeCacheError::Full { limit });
        }
        if let Some(reason) = self.parts.durable.failure() {
            return Err(EdgeCacheError::StoreFailed(reason.to_string()));
        }
        if self.quarantine.holds(operation, now) {
            return Err(EdgeCacheError::PluginFailed(
                "this very change made it fail a short while ago; it is tried again after a minute"
                    .to_string(),
            ));
        }
        match &mut self.running {
            Running::Instance(instance) => Ok(instance),
            Running::Down(_) => Err(EdgeCacheError::PluginFailed(
                self.parts
                    .view
                    .load()
                    .status
                    .last_failure
                    .clone()
                    .unwrap_or_else(|| "it is not running".to_string()),
            )),
        }
    }

    fn new_batch(&self) -> Batch {
        Batch::new(&self.parts.view.load(), self.parts.advertiser.node_id())
    }

    fn commit(&mut self, batch: Batch) {
        let changes = batch.changes();
        if changes.is_empty() {
            batch.answer(None, &self.parts.metrics);
            return;
        }
        if let Err(reason) = self.parts.durable.commit(&changes, Instant::now()) {
            self.show_store();
            // The component has made the changes already: only a fresh one has not. The old one goes first,
            // so that there is never the memory of two.
            self.running = Running::Down(Next::Retry(Instant::now()));
            self.revive();
            let error = EdgeCacheError::StoreFailed(reason);
            batch.answer(Some(&error), &self.parts.metrics);
            return;
        }
        self.publish(&batch);
        if let Some(labels) = &batch.own_labels {
            self.parts.own_labels.clone_from(labels);
            self.parts.advertiser.announce(labels.clone());
        }
        batch.answer(None, &self.parts.metrics);
    }

    fn publish(&self, batch: &Batch) {
        self.parts.view.store(Arc::new(View {
            entries: batch.entries.clone(),
            decisions: batch.decisions.clone(),
            status: self.parts.view.load().status.clone(),
        }));
        self.parts.changed.send_replace(());
        if batch.decides() {
            self.parts.decided.notify_one();
        }
    }

    /// Brings the decisions that are remembered to what holds now: entries from before decisions
    /// travelled get one, the clock goes on from the latest, and what the component of before refused is
    /// asked again.
    fn begin_deciding(&mut self) {
        let Some(own) = self.parts.advertiser.node_id() else {
            return;
        };
        let mut batch = self.new_batch();
        let undecided: Vec<_> = batch
            .entries
            .iter()
            .map(|labelled| &labelled.entry.node)
            .filter(|node| !batch.decisions.contains_key(&node.node_id))
            .map(|node| Decision::enable(node, Timestamp::at_ms(ms_of(node.enabled_at)), own))
            .collect();
        for decision in undecided {
            batch.stand(decision, None);
        }
        self.restamp(&mut batch, own);
        self.commit(batch);
        // Tried again when the store is open again.
        self.undecided = self.parts.durable.failure().is_some();
        self.ask_again();
    }

    /// Asks the component about the decisions that it, or the one before it, has refused.
    fn ask_again(&mut self) {
        let view = self.parts.view.load_full();
        let refused = view.decisions.values();
        let refused = refused.filter(|effective| effective.refused.is_some());
        let refused: Vec<_> = refused
            .map(|effective| effective.decision.clone())
            .collect();
        for decision in refused {
            if !matches!(self.running, Running::Instance(_)) {
                // One of them killed it, now or before: the others wait for the next start.
                break;
            }
            let mut batch = self.new_batch();
            // Out of the way, or it would not be news.
            batch.decisions.remove(&decision.node_id);
            // An error leaves the decision as it is: refused.
            if self.decide(&mut batch, Operation::Merge(decision)).is_ok() {
                self.commit(batch);
            }
        }
    }

    /// Sets the clock by the decisions that stand, and brings those of this agent's own that are in the
    /// future back to now.
    fn restamp(&mut self, batch: &mut Batch, own: NodeId) {
        let advertiser = &self.parts.advertiser;
        let now_ms = ms_of(self.parts.config.clock.time());
        self.stamps = deciding::restamp(batch, own, now_ms, |effective| {
            advertiser.is_replicated(effective)
        });
    }

    /// Brings the status to what the store is doing.
    fn show_store(&self) {
        let view = self.parts.view.load_full();
        let failure = self.parts.durable.failure();
        if view.status.store_failure.as_deref() != failure {
            let mut next = View::clone(&view);
            next.status.store_failure = failure.map(str::to_string);
            self.parts.view.store(Arc::new(next));
        }
    }
}
