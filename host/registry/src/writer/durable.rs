//! The durable side of a commit, and its recovery after a failure.
//!
//! A failed commit closes the store. It is opened again with growing waits. Before it takes a new commit, its content
//! is brought to what the registry remembers. Without a store every commit succeeds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::metrics::RegistryMetrics;
use crate::store::{Changes, Remembered, Store, StoreError};
use crate::view::View;
use edge_cache_core::labels::Labels;
use edge_cache_core::{EdgeCacheError, text};

/// The wait after the n-th failure in a row is n times this long.
const BACKOFF_STEP: Duration = Duration::from_millis(200);
/// The longest wait between two attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// The store of a registry, if it has one.
#[derive(Debug)]
pub(crate) struct Durable {
    store: Option<Store>,
    /// Failures since the last commit that succeeded.
    failures: u32,
    down: Option<Down>,
    metrics: Arc<RegistryMetrics>,
}

/// The state after a failure: the store is closed.
#[derive(Debug)]
struct Down {
    reason: String,
    retry_at: Instant,
}

impl Durable {
    pub(crate) fn new(store: Option<Store>, metrics: Arc<RegistryMetrics>) -> Self {
        Self {
            store,
            failures: 0,
            down: None,
            metrics,
        }
    }

    /// Returns why the store is closed, if it is.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.down.as_ref().map(|down| down.reason.as_str())
    }

    /// Returns when the store is to be opened again, if it is closed.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.down.as_ref().map(|down| down.retry_at)
    }

    /// Opens a store that has failed, and brings it to the remembered state: the failed commit may have succeeded on
    /// the disk.
    pub(crate) fn reopen(
        &mut self,
        view: &View,
        own_labels: &Labels,
        loaded: &[String],
        now: Instant,
    ) {
        let (Some(store), Some(_)) = (&self.store, &self.down) else {
            return;
        };
        match restore(store, view, own_labels, loaded) {
            Ok(()) => {
                tracing::info!(failures = self.failures, "the store is open again");
                self.down = None;
            }
            Err(error) => self.fail(&error, now),
        }
    }

    /// Makes the changes durable.
    ///
    /// # Errors
    ///
    /// `StoreFailed`; the store is closed then, and holds all of the changes or none.
    pub(crate) fn commit(&mut self, changes: &Changes, now: Instant) -> Result<(), EdgeCacheError> {
        let committed = match &self.store {
            Some(store) if !changes.is_empty() => {
                let start = Instant::now();
                let committed = store.commit(changes);
                self.metrics.add_commit(start.elapsed());
                committed
            }
            _ => return Ok(()),
        };
        match committed {
            Ok(()) => {
                self.failures = 0;
                Ok(())
            }
            Err(error) => {
                self.fail(&error, now);
                Err(EdgeCacheError::StoreFailed(text::error_chain(&error)))
            }
        }
    }

    fn fail(&mut self, error: &StoreError, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.metrics.store_failures.inc();
        let wait = BACKOFF_STEP.saturating_mul(self.failures).min(BACKOFF_MAX);
        let reason = text::error_chain(error);
        tracing::error!(
            reason,
            failures = self.failures,
            wait_s = wait.as_secs_f64(),
            "the store failed"
        );
        self.down = Some(Down {
            reason,
            retry_at: now.checked_add(wait).unwrap_or(now),
        });
    }
}

/// Opens the store and writes the difference to the remembered state. Labels and plugins are written even if they are
/// equal: a disk that can be read may still refuse every write.
fn restore(
    store: &Store,
    view: &View,
    own_labels: &Labels,
    loaded: &[String],
) -> Result<(), StoreError> {
    let found = store.reopen()?;
    store.commit(&Changes {
        own_labels: Some(own_labels.clone()),
        loaded: Some(loaded.to_vec()),
        ..difference(&found, view)
    })
}

/// Returns the changes of entries, decisions and sources that lead from the content of the store to the remembered state.
fn difference(found: &Remembered, view: &View) -> Changes {
    let View {
        entries,
        decisions,
        sources,
        ..
    } = view;
    let lost = found.sources.keys().filter(|id| !sources.contains_key(*id));
    let counted = sources
        .iter()
        .filter(|(id, counters)| found.sources.get(id) != Some(counters));
    Changes {
        put: entries
            .iter()
            .filter(|entry| found.entries.get(&entry.node.node_id) != Some(entry))
            .cloned()
            .collect(),
        remove: found
            .entries
            .keys()
            .copied()
            .filter(|node_id| !entries.contains(*node_id))
            .collect(),
        decisions: decisions
            .iter()
            .filter(|effective| {
                found.decisions.get(&effective.decision.node_id) != Some(effective.as_ref())
            })
            .cloned()
            .collect(),
        forget: found
            .decisions
            .keys()
            .copied()
            .filter(|node_id| decisions.get(*node_id).is_none())
            .collect(),
        sources: counted
            .map(|(id, counters)| (id.clone(), Some(*counters)))
            .chain(lost.map(|id| (id.clone(), None)))
            .collect(),
        ..Changes::default()
    }
}
