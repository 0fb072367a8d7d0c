//! The writer: the only thread that changes the registry.
//!
//! The writer owns the plugin's instance. Every change goes through it, in order: call the plugin, commit, publish the
//! view, announce the labels, reply. Changes that wait together are committed together; before a failure is handled, the
//! changes ahead of it are committed. A change is undone by a fresh instance, loaded with the remembered entries.

mod batch;
mod deciding;
mod durable;
mod instance;
pub(crate) mod load;
pub(crate) mod operation;
mod quarantine;
pub(crate) mod queue;
mod restamp;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Instant;

use tokio::sync::watch;

use self::batch::Batch;
use self::deciding::{Decide, Stamper};
use self::durable::Durable;
use self::operation::{Merge, QueuedChange};
use self::quarantine::Quarantine;
use self::queue::{Request, Requests};
use self::restamp::restamp;
use crate::state::RegistryState;
use crate::store::Store;
use crate::supervisor::{Next, Supervisor};
use crate::view::View;
use edge_cache_core::EdgeCacheError;
use edge_cache_core::decision::{Decision, HybridClock, Timestamp, ms_of};
use edge_cache_core::labels::Labels;
use edge_cache_sandbox::{Failure, Instance};

/// The thread's state.
pub(crate) struct Writer {
    state: Arc<RegistryState>,
    durable: Durable,
    /// The labels last wanted for the own node.
    own_labels: Labels,
    /// Changes with every view that has other entries or labels.
    entries_changed: watch::Sender<()>,
    supervisor: Supervisor,
    quarantine: Quarantine,
    running: Running,
    clock: HybridClock,
    /// Whether entries may lack a decision, because a commit failed.
    lacks_decisions: bool,
}

/// The state of the instance.
enum Running {
    Instance(Box<Instance>),
    /// There is no instance; the next is due later.
    Down(Next),
}

/// Why a change has no result of the plugin.
enum Stopped {
    /// The plugin was not called.
    Refused(EdgeCacheError),
    /// The plugin failed, and its instance is gone.
    Failed(Failure),
}

impl From<Stopped> for EdgeCacheError {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Refused(error) => error,
            Stopped::Failed(failure) => Self::PluginFailed(failure.to_string()),
        }
    }
}

impl Writer {
    /// Creates the writer and starts the first instance, which may fail like any later one.
    pub(crate) fn start(
        state: Arc<RegistryState>,
        store: Option<Store>,
        own_labels: Labels,
        entries_changed: watch::Sender<()>,
    ) -> Self {
        let mut writer = Self {
            durable: Durable::new(store, state.metrics.clone()),
            state,
            own_labels,
            entries_changed,
            supervisor: Supervisor::default(),
            quarantine: Quarantine::default(),
            running: Running::Down(Next::Retry(Instant::now())),
            clock: HybridClock::default(),
            lacks_decisions: false,
        };
        writer.restart();
        writer.prepare_decisions();
        writer
    }

    /// Serves the queue until a stop is requested or all senders are gone.
    pub(crate) fn run(mut self, queue: &Requests) {
        loop {
            self.catch_up(Instant::now());
            if let Running::Down(Next::Retry(at)) = self.running {
                // Changes wait for the next instance, but a stop does not wait for several attempts.
                if queue.is_stopping() {
                    self.running = Running::Down(Next::Degraded(at));
                } else {
                    thread::sleep(at.saturating_duration_since(Instant::now()));
                }
                continue;
            }
            let first = match self.next_attempt() {
                None => queue.next().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => queue.next_within(at.saturating_duration_since(Instant::now())),
            };
            let flow = match first {
                Ok(first) => self.serve(first, queue),
                Err(RecvTimeoutError::Timeout) => ControlFlow::Continue(()),
                Err(RecvTimeoutError::Disconnected) => ControlFlow::Break(()),
            };
            if flow.is_break() {
                // A failed commit may have succeeded on the disk: the store must not keep what was refused.
                self.reopen_store(Instant::now());
                return;
            }
        }
    }

    /// Returns when a failed instance or store is to be tried again, if one has failed.
    fn next_attempt(&self) -> Option<Instant> {
        let instance = match self.running {
            Running::Instance(_) => None,
            Running::Down(Next::Retry(at) | Next::Degraded(at)) => Some(at),
        };
        instance.into_iter().chain(self.durable.retry_at()).min()
    }

    /// Tries a failed instance or store again, where that is due.
    fn catch_up(&mut self, now: Instant) {
        if self.durable.retry_at().is_some_and(|at| at <= now) {
            self.reopen_store(now);
        }
        if let Running::Down(Next::Retry(at) | Next::Degraded(at)) = self.running
            && at <= now
        {
            self.restart();
        }
    }

    fn reopen_store(&mut self, now: Instant) {
        let view = self.state.view.load_full();
        self.durable.reopen(&view, &self.own_labels, now);
        self.show_store_failure();
        if self.lacks_decisions && self.durable.failure().is_none() {
            self.prepare_decisions();
        }
    }

    /// Makes one batch of the first request and those that wait behind it.
    fn serve(&mut self, first: Request, queue: &Requests) -> ControlFlow<()> {
        let start = Instant::now();
        let mut taken = 0_usize;
        let mut batch = self.new_batch();
        let mut next = Some(first);
        let mut flow = ControlFlow::Continue(());
        while let Some(request) = next.take() {
            match request {
                Request::Change { change, permit } => {
                    drop(permit);
                    self.make(&mut batch, change);
                    taken = taken.saturating_add(1);
                }
                Request::Restamp => self.restamp(&mut batch),
                Request::Swap { plugin, reply } => {
                    let fresh = self.new_batch();
                    self.commit(std::mem::replace(&mut batch, fresh));
                    // The caller may have gone away; the swap stays.
                    let _ = reply.send(self.swap(*plugin));
                    batch = self.new_batch();
                }
                Request::Stop => {
                    flow = ControlFlow::Break(());
                    break;
                }
            }
            // Changes wait for an instance that is due at once.
            let is_retrying = matches!(self.running, Running::Down(Next::Retry(_)));
            if !is_retrying && batch.len() < self.state.plugin.load().config().limits.batch {
                next = queue.try_next();
            }
        }
        self.commit(batch);
        self.state.metrics.add_batch(taken, start.elapsed());
        flow
    }

    /// Makes one change in the batch.
    fn make(&mut self, batch: &mut Batch, change: QueuedChange) {
        match change {
            QueuedChange::Enable(enable, reply) => {
                let result = self.decide(batch, &enable);
                batch.hold::<operation::Enable>(reply, result.map_err(Into::into));
            }
            QueuedChange::Disable(disable, reply) => {
                let result = self.decide(batch, &disable);
                batch.hold::<operation::Disable>(reply, result.map_err(Into::into));
            }
            QueuedChange::AddStats(add_stats, reply) => {
                let result = self.decide(batch, &add_stats);
                batch.hold::<operation::AddStats>(reply, result.map_err(Into::into));
            }
            QueuedChange::Merge(merge, reply) => {
                let result = self.merge(batch, merge);
                batch.hold::<Merge>(reply, result);
            }
        }
    }

    /// Applies a decision of another agent. It is effective for all agents, also where this agent's plugin fails on it.
    fn merge(&mut self, batch: &mut Batch, merge: Merge) -> Result<(), EdgeCacheError> {
        self.restamp_if_fast(batch);
        if !batch.is_news(&merge.decision) {
            return Ok(());
        }
        match self.decide(batch, &merge) {
            Ok(()) => Ok(()),
            Err(Stopped::Refused(error)) => Err(error),
            Err(Stopped::Failed(failure)) => {
                self.clock.observe(merge.decision.at);
                batch.set_decision(merge.decision, Some(failure.to_string()));
                Ok(())
            }
        }
    }

    /// Has the plugin make a change in the batch. If it fails, the changes before it are committed, and `batch` is a new
    /// one.
    fn decide<O: Decide>(
        &mut self,
        batch: &mut Batch,
        operation: &O,
    ) -> Result<O::Output, Stopped> {
        // Log lines of the plugin get this span, which costs nothing unless the level is enabled.
        let _span = tracing::debug_span!("change", ?operation).entered();
        self.restamp_if_fast(batch);
        match self.call(batch, operation) {
            Ok(result) => result.map_err(Stopped::Refused),
            Err(Stopped::Failed(failure)) => {
                let fresh = self.new_batch();
                self.commit(std::mem::replace(batch, fresh));
                self.quarantine.add(operation.clone(), Instant::now());
                self.instance_failed(&failure);
                self.catch_up(Instant::now());
                *batch = self.new_batch();
                Err(Stopped::Failed(failure))
            }
            Err(refused) => Err(refused),
        }
    }

    fn call<O: Decide>(
        &mut self,
        batch: &mut Batch,
        operation: &O,
    ) -> Result<Result<O::Output, EdgeCacheError>, Stopped> {
        let mut clock = self.clock;
        let mut stamper = Stamper {
            by: self.state.node_id(),
            now_ms: self.now_ms(),
            clock: &mut clock,
        };
        let instance = self.admit(batch, operation).map_err(Stopped::Refused)?;
        let result = operation.call(instance, batch, &mut stamper);
        self.clock = clock;
        result.map_err(Stopped::Failed)
    }

    /// Returns the instance, if the change may be made now.
    fn admit<O: Decide>(
        &mut self,
        batch: &Batch,
        operation: &O,
    ) -> Result<&mut Instance, EdgeCacheError> {
        let limit = self.state.plugin.load().config().limits.nodes_max;
        if let Some(node_id) = operation.added_node()
            && batch.entries.len().max(batch.decisions.len()) >= limit
            && !batch.entries.contains(node_id)
            && !batch.decisions.contains_key(&node_id)
        {
            return Err(EdgeCacheError::Full { limit });
        }
        if let Some(reason) = self.durable.failure() {
            return Err(EdgeCacheError::StoreFailed(reason.to_string()));
        }
        self.quarantine.forget_old(Instant::now());
        if self.quarantine.holds(operation) {
            return Err(EdgeCacheError::PluginFailed(
                "this very change made it fail a short while ago; it is tried again after a minute"
                    .to_string(),
            ));
        }
        match &mut self.running {
            Running::Instance(instance) => Ok(instance),
            Running::Down(_) => {
                let failure = self.state.view.load().status.last_failure.clone();
                let reason = failure.unwrap_or_else(|| "it is not running".to_string());
                Err(EdgeCacheError::PluginFailed(reason))
            }
        }
    }

    fn new_batch(&self) -> Batch {
        Batch::new(&self.state.view.load(), self.state.node_id())
    }

    /// Makes a batch durable, publishes it and replies. If the store fails, the batch is undone by a fresh instance.
    fn commit(&mut self, batch: Batch) {
        let changes = batch.changes();
        if changes.is_empty() {
            batch.reply(None, &self.state.metrics);
            return;
        }
        if let Err(error) = self.durable.commit(&changes, Instant::now()) {
            self.show_store_failure();
            // The instance has made the changes, so it is replaced. It is dropped first: two would double the memory.
            self.running = Running::Down(Next::Retry(Instant::now()));
            self.restart();
            batch.reply(Some(&error), &self.state.metrics);
            return;
        }
        self.publish(&batch);
        if let Some(labels) = &batch.own_labels {
            self.own_labels.clone_from(labels);
            self.state.advertiser.announce(labels.clone());
        }
        batch.reply(None, &self.state.metrics);
    }

    fn publish(&self, batch: &Batch) {
        self.state.view.store(Arc::new(View {
            entries: batch.entries.clone(),
            decisions: batch.decisions.clone(),
            status: self.state.view.load().status.clone(),
        }));
        self.entries_changed.send_replace(());
        if batch.has_decisions() {
            self.state.decisions_changed.notify_one();
        }
    }

    /// Brings the remembered decisions up to date: entries without a decision get one, the clock goes on from the
    /// latest, and the plugin is asked again about decisions that were refused.
    fn prepare_decisions(&mut self) {
        let Some(own) = self.state.node_id() else {
            return;
        };
        let mut batch = self.new_batch();
        let missing: Vec<_> = batch
            .entries
            .iter()
            .map(|labelled| &labelled.entry.node)
            .filter(|node| !batch.decisions.contains_key(&node.node_id))
            .map(|node| Decision::enable(node, Timestamp::at_ms(ms_of(node.enabled_at)), own))
            .collect();
        for decision in missing {
            batch.set_decision(decision, None);
        }
        self.restamp(&mut batch);
        self.commit(batch);
        // Tried again when the store is open again.
        self.lacks_decisions = self.durable.failure().is_some();
        self.retry_refused();
    }

    /// Asks the plugin again about the decisions that it, or its predecessor, has refused.
    fn retry_refused(&mut self) {
        let view = self.state.view.load_full();
        let refused = view.decisions.values();
        let refused = refused.filter(|effective| effective.refused.is_some());
        let refused: Vec<_> = refused
            .map(|effective| effective.decision.clone())
            .collect();
        for decision in refused {
            if !matches!(self.running, Running::Instance(_)) {
                // One of the decisions made it fail: the others wait for the next start.
                break;
            }
            let mut batch = self.new_batch();
            // Otherwise the decision would not be news.
            batch.decisions.remove(&decision.node_id);
            // An error leaves the decision refused.
            if self.merge(&mut batch, Merge { decision }).is_ok() {
                self.commit(batch);
            }
        }
    }

    /// Restamps where the clock was set back so far that other agents would hold new timestamps back.
    fn restamp_if_fast(&mut self, batch: &mut Batch) {
        if self.state.node_id().is_some() && self.clock.is_fast(self.now_ms()) {
            self.restamp(batch);
        }
    }

    /// Sets the clock by the effective decisions, and restamps own ones that lie in the future.
    fn restamp(&mut self, batch: &mut Batch) {
        let advertiser = &self.state.advertiser;
        if let Some(own) = advertiser.node_id() {
            let now_ms = self.now_ms();
            self.clock = restamp(batch, own, now_ms, |effective| {
                advertiser.is_replicated(effective)
            });
        }
    }

    fn now_ms(&self) -> u64 {
        ms_of(self.state.config.clock.time())
    }

    /// Brings the status to the state of the store.
    fn show_store_failure(&self) {
        let failure = self.durable.failure();
        if self.state.view.load().status.store_failure.as_deref() != failure {
            self.state
                .update_view(|view| view.status.store_failure = failure.map(str::to_string));
        }
    }
}
