//! The durable side of a commit, with its way back after a failure.
//!
//! After a failed commit the store is closed; it is opened again with growing waits, and what it holds is
//! brought to what is remembered before it takes anything new. Without a store every commit succeeds.

use std::time::{Duration, Instant};

use super::records::Records;
use crate::labels::Labels;
use crate::store::{Changes, Remembered, Store, StoreError};
use crate::types::NodeId;

/// The wait before the n-th attempt to open the store again is this long, n times.
const BACKOFF_STEP: Duration = Duration::from_millis(200);
/// The longest wait between two attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Durable {
    store: Option<Store>,
    down: Option<Down>,
}

#[derive(Debug)]
struct Down {
    reason: String,
    attempts: u32,
    retry_at: Instant,
}

impl Durable {
    pub(crate) fn new(store: Option<Store>) -> Self {
        Self { store, down: None }
    }

    /// Whether a commit may be tried; after a failure, opens the store again where that is due.
    /// `records` and `own_labels` are what it must hold.
    pub(crate) fn ready(
        &mut self,
        records: &Records,
        own_labels: &Labels,
        now: Instant,
    ) -> Result<(), String> {
        let (Some(store), Some(down)) = (&self.store, &self.down) else {
            return Ok(());
        };
        if now < down.retry_at {
            return Err(down.reason.clone());
        }
        match restore(store, records, own_labels) {
            Ok(()) => {
                tracing::info!(attempts = down.attempts, "the store is open again");
                self.down = None;
                Ok(())
            }
            Err(error) => Err(self.failed(&error, now)),
        }
    }

    pub(crate) fn commit(&mut self, changes: &Changes, now: Instant) -> Result<(), String> {
        match &self.store {
            Some(store) if !changes.is_empty() => store
                .commit(changes)
                .map_err(|error| self.failed(&error, now)),
            _ => Ok(()),
        }
    }

    fn failed(&mut self, error: &StoreError, now: Instant) -> String {
        let attempts = self
            .down
            .as_ref()
            .map_or(1, |down| down.attempts.saturating_add(1));
        let wait = BACKOFF_STEP.saturating_mul(attempts).min(BACKOFF_MAX);
        let reason = error_chain(error);
        tracing::error!(reason, attempts, ?wait, "the store failed");
        self.down = Some(Down {
            reason: reason.clone(),
            attempts,
            retry_at: now.checked_add(wait).unwrap_or(now),
        });
        reason
    }
}

/// Opens the store and makes it hold what is remembered: a commit that failed may have come through.
fn restore(store: &Store, records: &Records, own_labels: &Labels) -> Result<(), StoreError> {
    let found = store.reopen()?;
    let changes = difference(&found, records, own_labels);
    if changes.is_empty() {
        return Ok(());
    }
    store.commit(&changes)
}

fn difference(found: &Remembered, records: &Records, own_labels: &Labels) -> Changes {
    let stored = |node_id: NodeId| {
        found
            .entries
            .binary_search_by_key(&node_id, |entry| entry.node.node_id)
            .ok()
            .and_then(|index| found.entries.get(index))
    };
    Changes {
        put: records
            .iter()
            .map(|record| &record.entry)
            .filter(|entry| stored(entry.node.node_id) != Some(entry))
            .cloned()
            .collect(),
        remove: found
            .entries
            .iter()
            .map(|entry| entry.node.node_id)
            .filter(|node_id| !records.contains(*node_id))
            .collect(),
        own_labels: (found.own_labels != *own_labels).then(|| own_labels.clone()),
    }
}

/// The error and its causes in one line.
fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
