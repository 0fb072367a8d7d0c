//! The sources of counters: when each was heard, and which one makes room for a new one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::batch::Batch;
use edge_cache_core::{EdgeCacheError, SOURCES_MAX, SourceId};

#[cfg(test)]
mod tests;

/// The silence after which a source makes room for a new one, where there are too many.
const SOURCE_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// The times at which sources were heard. A source that was remembered at the start counts as heard then.
#[derive(Debug)]
pub(super) struct HeardSources {
    started: Instant,
    heard: BTreeMap<SourceId, Instant>,
}

impl HeardSources {
    pub(super) fn new(started: Instant) -> Self {
        let heard = BTreeMap::new();
        Self { started, heard }
    }

    /// Checks that the node of a source is registered and that there is room for the source. Forgets a silent one where
    /// that makes room.
    ///
    /// # Errors
    ///
    /// `NodeNotFound` or `TooManySources`.
    pub(super) fn admit(
        &self,
        batch: &mut Batch,
        source: &SourceId,
        now: Instant,
    ) -> Result<(), EdgeCacheError> {
        if !batch.entries.contains(source.node_id) {
            return Err(EdgeCacheError::NodeNotFound(source.node_id));
        }
        if !batch.sources.contains_key(source) && batch.sources.len() >= SOURCES_MAX {
            let silent_for = |source: &SourceId| {
                let heard = self.heard.get(source).unwrap_or(&self.started);
                now.saturating_duration_since(*heard)
            };
            let silent = batch.sources.keys().max_by_key(|source| silent_for(source));
            let silent = silent.filter(|source| silent_for(source) >= SOURCE_KEPT);
            let limit = SOURCES_MAX;
            let silent = silent
                .ok_or(EdgeCacheError::TooManySources { limit })?
                .clone();
            batch.set_source(silent, None);
        }
        Ok(())
    }

    /// Notes that a source of the batch was heard.
    pub(super) fn heard(&mut self, batch: &Batch, source: &SourceId, now: Instant) {
        self.heard.insert(source.clone(), now);
        if self.heard.len() > SOURCES_MAX {
            self.heard
                .retain(|source, _| batch.sources.contains_key(source));
        }
    }
}
