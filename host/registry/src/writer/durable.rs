//! The durable side of a commit, with its way back after a failure.
//!
//! After a failed commit the store is closed. It is opened again with waits that grow until a commit
//! succeeds, and what it holds is brought to what is remembered before it takes anything new. Without a
//! store every commit succeeds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::metrics::RegistryMetrics;
use crate::store::{Changes, Remembered, Store, StoreError};
use crate::view::View;
use edge_cache_core::NodeId;
use edge_cache_core::labels::Labels;
use edge_cache_core::text;

/// The wait after the n-th failure in a row is this long, n times.
const BACKOFF_STEP: Duration = Duration::from_millis(200);
/// The longest wait between two attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Durable {
    store: Option<Store>,
    /// Failures since the last commit that succeeded.
    failures: u32,
    down: Option<Down>,
    metrics: Arc<RegistryMetrics>,
}

/// The store has failed and is closed.
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

    /// Why nothing can be made durable at present, if so.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.down.as_ref().map(|down| down.reason.as_str())
    }

    /// When the store is to be opened again, if it is closed.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.down.as_ref().map(|down| down.retry_at)
    }

    /// Opens a store that has failed, and makes it hold what `view` and `own_labels` say: the commit that failed
    /// may have come through.
    pub(crate) fn reopen(&mut self, view: &View, own_labels: &Labels, now: Instant) {
        let (Some(store), Some(_)) = (&self.store, &self.down) else {
            return;
        };
        match restore(store, view, own_labels) {
            Ok(()) => {
                tracing::info!(failures = self.failures, "the store is open again");
                self.down = None;
            }
            Err(error) => drop(self.failed(&error, now)),
        }
    }

    pub(crate) fn commit(&mut self, changes: &Changes, now: Instant) -> Result<(), String> {
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
            Err(error) => Err(self.failed(&error, now)),
        }
    }

    fn failed(&mut self, error: &StoreError, now: Instant) -> String {
        self.failures = self.failures.saturating_add(1);
        self.metrics.store_failures.inc();
        let wait = BACKOFF_STEP.saturating_mul(self.failures).min(BACKOFF_MAX);
        let reason = text::error_chain(error);
        tracing::error!(reason, failures = self.failures, ?wait, "the store failed");
        self.down = Some(Down {
            reason: reason.clone(),
            retry_at: now.checked_add(wait).unwrap_or(now),
        });
        reason
    }
}

fn restore(store: &Store, view: &View, own_labels: &Labels) -> Result<(), StoreError> {
    let found = store.reopen()?;
    let changes = difference(&found, view, own_labels);
    if changes.is_empty() {
        return Ok(());
    }
    store.commit(&changes)
}

fn difference(found: &Remembered, view: &View, own_labels: &Labels) -> Changes {
    let View {
        entries, decisions, ..
    } = view;
    let stood = |node_id: NodeId| {
        found
            .decisions
            .binary_search_by_key(&node_id, |effective| effective.decision.node_id)
            .ok()
            .and_then(|index| found.decisions.get(index))
    };
    let stored = |node_id: NodeId| {
        found
            .entries
            .binary_search_by_key(&node_id, |entry| entry.node.node_id)
            .ok()
            .and_then(|index| found.entries.get(index))
    };
    Changes {
        put: entries
            .iter()
            .map(|labelled| &labelled.entry)
            .filter(|entry| stored(entry.node.node_id) != Some(entry))
            .cloned()
            .collect(),
        remove: found
            .entries
            .iter()
            .map(|entry| entry.node.node_id)
            .filter(|node_id| !entries.contains(*node_id))
            .collect(),
        decisions: decisions
            .iter()
            .filter(|(node_id, effective)| stood(**node_id) != Some(effective))
            .map(|(_, effective)| effective.clone())
            .collect(),
        own_labels: (found.own_labels != *own_labels).then(|| own_labels.clone()),
    }
}
