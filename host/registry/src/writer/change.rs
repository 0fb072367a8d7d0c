//! A change: admission, the call of the plugin, and its failure.

use std::time::Instant;

use super::batch::Batch;
use super::deciding::{Decide, Stamper};
use super::operation::{AddStats, Disable, Enable, Merge, QueuedChange};
use super::{Running, Writer};
use edge_cache_core::EdgeCacheError;
use edge_cache_sandbox::{Failure, Instance};

/// Why a change has no result of the plugin.
pub(super) enum Stopped {
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
    /// Makes one change in the batch.
    pub(super) fn make(&mut self, batch: &mut Batch, change: QueuedChange) {
        match change {
            QueuedChange::Enable(enable, reply) => {
                let result = self.decide(batch, &enable);
                batch.hold::<Enable>(reply, result.map_err(Into::into));
            }
            QueuedChange::Disable(disable, reply) => {
                let result = self.decide(batch, &disable);
                batch.hold::<Disable>(reply, result.map_err(Into::into));
            }
            QueuedChange::AddStats(add_stats, reply) => {
                let result = self.decide(batch, &add_stats);
                batch.hold::<AddStats>(reply, result.map_err(Into::into));
            }
            QueuedChange::Merge(merge, reply) => {
                let result = self.merge(batch, merge);
                batch.hold::<Merge>(reply, result);
            }
        }
    }

    /// Has the plugin make a change in the batch. If it fails, the changes before it are committed, and `batch` is a new
    /// one.
    pub(super) fn decide<O: Decide>(
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
}
