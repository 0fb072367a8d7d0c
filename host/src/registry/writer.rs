//! The one thread that changes anything.
//!
//! It owns the component's instance. Every change goes through it, in order: call the component, commit,
//! publish the view, hand the labels on, answer. Changes that wait together are committed together; a
//! failure first commits what came before it. Undoing is always the same: a fresh instance, loaded with
//! what is remembered.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Instant;

use super::activity::Counters;
use super::batch::Batch;
use super::durable::Durable;
use super::quarantine::Quarantine;
use super::queue::{Operation, Outcome, Request, Requests};
use super::records::{Record, Records};
use super::status::{PluginState, Status};
use super::supervisor::{Next, Supervisor};
use super::view::{View, ViewCell};
use crate::advertise::Advertiser;
use crate::error::EdgeCacheError;
use crate::labels::Labels;
use crate::sandbox::{Called, Failure, Instance, InstanceConfig, Plugin, PublishedLabels};
use crate::store::Changes;
use crate::types::{EdgeCacheStats, Entry};

/// What a writer works with.
pub(crate) struct Parts {
    pub(crate) plugin: Plugin,
    pub(crate) config: InstanceConfig,
    pub(crate) site: Arc<dyn Advertiser>,
    pub(crate) view: Arc<ViewCell>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) durable: Durable,
    /// The labels of the own node that are remembered.
    pub(crate) own_labels: Labels,
}

pub(crate) struct Writer {
    parts: Parts,
    supervisor: Supervisor,
    quarantine: Quarantine,
    running: Running,
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
        };
        writer.revive();
        writer
    }

    /// Serves the queue until it is told to stop or nobody is left who could ask.
    pub(crate) fn run(mut self, queue: &Requests) {
        loop {
            let first = match &self.running {
                Running::Instance(_) => queue.next().map_err(|_| RecvTimeoutError::Disconnected),
                Running::Down(Next::Degraded(at)) => {
                    queue.next_within(at.saturating_duration_since(Instant::now()))
                }
                Running::Down(Next::Retry(at)) => {
                    thread::sleep(at.saturating_duration_since(Instant::now()));
                    Err(RecvTimeoutError::Timeout)
                }
            };
            match first {
                Ok(first) => {
                    if self.serve(first, queue).is_break() {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.revive(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
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
            let Request::Change {
                operation,
                answer,
                room,
            } = request
            else {
                flow = ControlFlow::Break(());
                break;
            };
            drop(room);
            let result = self.decide(&mut batch, operation);
            batch.hold(answer, result);
            taken = taken.saturating_add(1);
            if batch.len() < self.parts.plugin.config().limits.batch {
                next = queue.waiting();
            }
        }
        self.commit(batch);
        self.parts.counters.add_batch(taken, start.elapsed());
        flow
    }

    /// Has the component make a change in the batch. After a failure, what came before it is committed and
    /// a new batch begun.
    fn decide(
        &mut self,
        batch: &mut Batch,
        operation: Operation,
    ) -> Result<Outcome, EdgeCacheError> {
        match self.call(batch, &operation) {
            Ok(result) => result,
            Err(Stopped::Refused(error)) => Err(error),
            Err(Stopped::Failed(failure)) => {
                let fresh = self.new_batch();
                self.commit(std::mem::replace(batch, fresh));
                self.quarantine.add(operation, Instant::now());
                self.down(&failure);
                if let Running::Down(Next::Retry(at)) = self.running
                    && at <= Instant::now()
                {
                    self.revive();
                }
                *batch = self.new_batch();
                Err(EdgeCacheError::PluginFailed(failure.to_string()))
            }
        }
    }

    fn call(
        &mut self,
        batch: &mut Batch,
        operation: &Operation,
    ) -> Result<Result<Outcome, EdgeCacheError>, Stopped> {
        let instance = self.admit(batch, operation).map_err(Stopped::Refused)?;
        call(instance, batch, operation).map_err(Stopped::Failed)
    }

    /// Whether a change may be made now at all.
    fn admit(
        &mut self,
        batch: &Batch,
        operation: &Operation,
    ) -> Result<&mut Instance, EdgeCacheError> {
        let now = Instant::now();
        let limit = self.parts.plugin.config().limits.nodes_max;
        if let Operation::Enable { node_id, .. } = operation
            && batch.records.len() >= limit
            && !batch.records.contains(*node_id)
        {
            return Err(EdgeCacheError::Full { limit });
        }
        let view = self.parts.view.load();
        self.parts
            .durable
            .ready(&view.records, &self.parts.own_labels, now)
            .map_err(EdgeCacheError::StoreFailed)?;
        if self.quarantine.holds(operation, now) {
            return Err(EdgeCacheError::PluginFailed(
                "this very change made it fail a short while ago; it is tried again after a minute"
                    .to_string(),
            ));
        }
        match &mut self.running {
            Running::Instance(instance) => Ok(instance),
            Running::Down(_) => Err(EdgeCacheError::PluginFailed(
                view.status
                    .last_failure
                    .clone()
                    .unwrap_or_else(|| "it is not running".to_string()),
            )),
        }
    }

    fn new_batch(&self) -> Batch {
        Batch::new(
            self.parts.view.load().records.clone(),
            self.parts.site.node_id(),
        )
    }

    fn commit(&mut self, batch: Batch) {
        let changes = batch.changes();
        if changes.is_empty() {
            batch.answer(None);
            return;
        }
        if let Err(reason) = self.parts.durable.commit(&changes, Instant::now()) {
            batch.answer(Some(&EdgeCacheError::StoreFailed(reason)));
            // The component has made the changes already: only a fresh one has not.
            self.revive();
            return;
        }
        self.publish(batch.records.clone());
        if let Some(labels) = &batch.own_labels {
            self.parts.own_labels.clone_from(labels);
            self.parts.site.announce(labels.clone());
        }
        batch.answer(None);
    }

    fn publish(&self, records: Records) {
        let status = self.parts.view.load().status.clone();
        self.parts.view.store(Arc::new(View { records, status }));
    }

    /// Starts a fresh instance, loaded with what is remembered and compared with it.
    fn revive(&mut self) {
        let remembered = self.parts.view.load().records.clone();
        match self.fresh(&remembered) {
            Ok((instance, labels)) => {
                self.supervisor.started(Instant::now());
                self.running = Running::Instance(Box::new(instance));
                self.take_over(&remembered, labels);
            }
            Err(failure) => self.down(&failure),
        }
    }

    fn fresh(&self, remembered: &Records) -> Result<(Instance, PublishedLabels), Failure> {
        let entries: Vec<Entry> = remembered
            .iter()
            .map(|record| record.entry.clone())
            .collect();
        let mut instance = Instance::start(&self.parts.plugin, self.parts.config.clone())?;
        let labels = instance.load(&entries)?;
        let listed = instance.list_eligible()?;
        if !listed.iter().eq(entries.iter().map(|entry| &entry.node)) {
            return Err(Failure::Contract {
                call: "list-eligible",
                reason: "it lists other entries than it was loaded with".to_string(),
            });
        }
        Ok((instance, labels))
    }

    /// What a fresh instance has published replaces everything that the one before it had.
    fn take_over(&mut self, remembered: &Records, mut labels: PublishedLabels) {
        let own = self
            .parts
            .site
            .node_id()
            .and_then(|node_id| labels.get(&node_id).cloned())
            .unwrap_or_default();
        let records = remembered
            .iter()
            .map(|record| Record {
                entry: record.entry.clone(),
                labels: labels
                    .remove(&record.entry.node.node_id)
                    .unwrap_or_default(),
            })
            .collect();
        let mut status = self.parts.view.load().status.clone();
        // A fresh instance after a failed commit takes the place of one that did nothing wrong.
        if matches!(
            status.state,
            PluginState::Restarting | PluginState::Degraded
        ) {
            status.restarts = status.restarts.saturating_add(1);
        }
        status.state = PluginState::Running;
        self.parts.view.store(Arc::new(View { records, status }));
        if self.parts.own_labels != own {
            self.parts.own_labels.clone_from(&own);
            let changes = Changes {
                own_labels: Some(own.clone()),
                ..Changes::default()
            };
            // A failure is logged there, and made up for when the store is open again.
            let _ = self.parts.durable.commit(&changes, Instant::now());
        }
        self.parts.site.announce(own);
    }

    fn down(&mut self, failure: &Failure) {
        let next = self.supervisor.failed(Instant::now());
        let state = match next {
            Next::Retry(_) => PluginState::Restarting,
            Next::Degraded(_) => PluginState::Degraded,
        };
        tracing::error!(%failure, ?state, "the component failed");
        let view = self.parts.view.load_full();
        self.parts.view.store(Arc::new(View {
            records: view.records.clone(),
            status: Status {
                state,
                restarts: view.status.restarts,
                last_failure: Some(failure.to_string()),
            },
        }));
        self.running = Running::Down(next);
    }
}

/// Has the component make one change, and takes its answer into the batch.
fn call(
    instance: &mut Instance,
    batch: &mut Batch,
    operation: &Operation,
) -> Result<Result<Outcome, EdgeCacheError>, Failure> {
    match *operation {
        Operation::Enable {
            node_id,
            ref capacity,
        } => {
            let answer = instance.enable(node_id, capacity)?;
            Ok(answer.map(|Called { value, labels }| {
                let entry = Entry {
                    node: value.clone(),
                    stats: EdgeCacheStats::default(),
                };
                batch.put(entry, labels);
                Outcome::Enabled(value)
            }))
        }
        Operation::Disable { node_id } => {
            let answer = instance.disable(node_id)?;
            batch.check_known("disable", node_id, &answer)?;
            Ok(answer.map(|Called { labels, .. }| {
                batch.remove(node_id, &labels);
                Outcome::Disabled
            }))
        }
        Operation::AddStats { node_id, delta } => {
            let answer = instance.add_stats(node_id, delta)?;
            batch.check_known("add-stats", node_id, &answer)?;
            if let Ok(totals) = answer {
                batch.count(node_id, delta, totals)?;
            }
            Ok(answer.map(Outcome::Counted))
        }
    }
}
