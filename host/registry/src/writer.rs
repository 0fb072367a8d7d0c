//! The writer: the only thread that changes the registry.
//!
//! The writer owns the plugin's instance. Every change goes through it, in order: call the plugin, commit, publish the
//! view, announce the labels, reply. Changes that wait together are committed together; before a failure is handled, the
//! changes ahead of it are committed. A change is undone by a fresh instance, loaded with the remembered entries.

mod batch;
mod change;
mod durable;
mod instance;
pub(crate) mod loading;
pub(crate) mod operation;
mod quarantine;
pub(crate) mod queue;
mod retries;
mod sources;
pub(crate) mod trial;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Instant;

use tokio::sync::watch;

use self::batch::Batch;
use self::durable::Durable;
use self::loading::lock;
use self::quarantine::Quarantine;
use self::queue::{Request, Requests};
use self::retries::Retries;
use self::sources::HeardSources;
use crate::state::RegistryState;
use crate::store::Store;
use crate::supervisor::{Next, Supervisor};
use crate::view::View;
use edge_cache_core::decision::Decision;
use edge_cache_core::effective::DecisionLimits;
use edge_cache_core::labels::Labels;
use edge_cache_core::{DecisionId, EdgeCacheError, Refusal};
use edge_cache_gossip::LogLimit;
use edge_cache_sandbox::Instance;

/// The thread's state.
pub(crate) struct Writer {
    state: Arc<RegistryState>,
    durable: Durable,
    /// The labels last wanted for the own node.
    own_labels: Labels,
    /// Changes with every view that has other entries or decisions.
    entries_changed: watch::Sender<()>,
    supervisor: Supervisor,
    quarantine: Quarantine,
    retries: Retries,
    sources: HeardSources,
    running: Running,
    /// Set while entries may lack a decision because a commit failed.
    lacks_decisions: bool,
    /// The time of the last log line about an overruled decision.
    overruled_log: LogLimit,
    retry_log: LogLimit,
}

/// The state of the instance.
enum Running {
    Instance(Box<Instance>),
    /// There is no instance; the next is due later.
    Down(Next),
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
            retries: Retries::default(),
            sources: HeardSources::new(Instant::now()),
            running: Running::Down(Next::Retry(Instant::now())),
            lacks_decisions: false,
            overruled_log: LogLimit::default(),
            retry_log: LogLimit::default(),
        };
        writer.add_missing_decisions();
        writer.restart();
        writer.ask_again(false);
        writer.do_overdue(Instant::now());
        writer
    }

    /// Serves the queue until a stop is requested or all senders are gone.
    pub(crate) fn run(mut self, queue: &Requests) {
        loop {
            self.catch_up(Instant::now());
            self.do_overdue(Instant::now());
            if let Running::Down(Next::Retry(at)) = self.running {
                // Changes wait for the next instance, but a stop does not wait for several attempts.
                if queue.is_stopping() {
                    self.running = Running::Down(Next::Degraded(at));
                } else {
                    thread::sleep(at.saturating_duration_since(Instant::now()));
                }
                continue;
            }
            let flow = match queue.next(self.next_attempt()) {
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
        // Meanwhile no decision is tried again.
        let retries = self.retries.next().filter(|_| self.is_up());
        let others = self.durable.retry_at().into_iter().chain(retries);
        instance.into_iter().chain(others).min()
    }

    /// Tells whether the store and the plugin work.
    fn is_up(&self) -> bool {
        self.durable.failure().is_none() && matches!(self.running, Running::Instance(_))
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
        let loaded = lock(&self.state.loaded).clone();
        self.durable.reopen(&view, &self.own_labels, &loaded, now);
        self.show_store_failure();
        if self.lacks_decisions && self.durable.failure().is_none() {
            self.add_missing_decisions();
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
                Request::Change {
                    operation,
                    caller,
                    permit,
                    begun,
                } => {
                    drop(permit);
                    self.state.metrics.add_wait(begun.elapsed());
                    self.make(&mut batch, &operation, caller);
                    taken = taken.saturating_add(1);
                }
                Request::Swap { trial, reply } => {
                    let fresh = self.new_batch();
                    self.commit(std::mem::replace(&mut batch, fresh));
                    // The caller may have gone away; the swap stays.
                    let _ = reply.send(self.swap(*trial));
                    batch = self.new_batch();
                }
                Request::Stop => {
                    flow = ControlFlow::Break(());
                    break;
                }
            }
            // Changes wait for an instance that is due at once.
            let is_retrying = matches!(self.running, Running::Down(Next::Retry(_)));
            if !is_retrying && batch.replies.len() < self.state.plugin.load().config().limits.batch
            {
                next = queue.try_next();
            }
        }
        self.commit(batch);
        self.state.metrics.add_batch(taken, start.elapsed());
        flow
    }

    fn new_batch(&self) -> Batch {
        Batch::new(&self.state.view.load(), self.state.node_id(), self.limits())
    }

    fn limits(&self) -> DecisionLimits {
        (&self.state.plugin.load().config().limits).into()
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
            // The instance has made the changes.
            self.replace_instance();
            batch.reply(Some(&error), &self.state.metrics);
            return;
        }
        for forgotten in &batch.forgotten {
            self.state.forgot(&forgotten.decision);
        }
        self.publish(&batch);
        if let Some(labels) = &batch.own_labels {
            self.own_labels.clone_from(labels);
        }
        let own = self.state.node_id();
        if batch.own_labels.is_some() || own.is_some_and(|own| batch.decided.contains(&own)) {
            self.announce();
        }
        batch.reply(None, &self.state.metrics);
    }

    /// Replaces the instance without a failure that counts.
    fn replace_instance(&mut self) {
        // It is dropped first: two would double the memory.
        self.running = Running::Down(Next::Retry(Instant::now()));
        self.restart();
    }

    /// Announces the own node's labels with the decision that they follow from.
    fn announce(&self) {
        let agent = self.state.view.load().agent_info(self.state.node_id());
        let labels = self.own_labels.clone();
        self.state.gate.announce(labels, agent);
    }

    /// Announces why the own node does not follow a decision that another agent made, until it is tried again.
    fn announce_failure(&self, decision: &Decision, error: &EdgeCacheError) {
        let own = self.state.node_id();
        if own != Some(decision.node_id) {
            return;
        }
        let mut agent = self.state.view.load().agent_info(own);
        agent.refuses = Some(Refusal::new(DecisionId::of(decision), &error.to_string()));
        self.state.gate.announce(self.own_labels.clone(), agent);
    }

    fn publish(&self, batch: &Batch) {
        self.state.view.store(Arc::new(View {
            entries: batch.entries.clone(),
            decisions: batch.decisions.clone(),
            overruled: batch.overruled.clone(),
            sources: batch.sources.clone(),
            status: self.state.view.load().status.clone(),
        }));
        self.entries_changed.send_replace(());
        if !batch.decided.is_empty() {
            self.state.decisions_changed.notify_one();
        }
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
