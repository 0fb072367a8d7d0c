//! Times at which the plugin is asked again about decisions on which it failed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use edge_cache_core::NodeId;

#[cfg(test)]
mod tests;

/// The first wait. Each wait is twice the one before.
const WAIT_MIN: Duration = Duration::from_secs(60);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(60 * 60);
/// The pause after a failed attempt, in times of its duration: attempts take at most a tenth of the writer's time.
const PAUSE_FACTOR: u32 = 9;

/// The decisions that wait for another attempt.
#[derive(Debug, Default)]
pub(crate) struct Retries {
    waits: BTreeMap<NodeId, (Instant, Duration)>,
    /// Nodes by the time of their retry.
    due: BTreeSet<(Instant, NodeId)>,
    pause_until: Option<Instant>,
}

impl Retries {
    /// Schedules the next attempt after a failure on the decision about a node.
    pub(crate) fn failed(&mut self, node_id: NodeId, now: Instant) {
        let wait = match self.waits.get(&node_id) {
            Some((_, wait)) => wait.saturating_mul(2).min(WAIT_MAX),
            None => WAIT_MIN,
        };
        self.forget(node_id);
        let at = now.checked_add(wait).unwrap_or(now);
        self.waits.insert(node_id, (at, wait));
        self.due.insert((at, node_id));
    }

    /// Puts off all attempts after one that failed and took this long.
    pub(crate) fn pause(&mut self, took: Duration, now: Instant) {
        self.pause_until = now.checked_add(took.saturating_mul(PAUSE_FACTOR));
    }

    /// Tells whether a node waits for another attempt.
    pub(crate) fn holds(&self, node_id: NodeId) -> bool {
        self.waits.contains_key(&node_id)
    }

    /// Drops the attempts for a node.
    pub(crate) fn forget(&mut self, node_id: NodeId) {
        if let Some((at, _)) = self.waits.remove(&node_id) {
            self.due.remove(&(at, node_id));
        }
    }

    /// Returns when the next attempt is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        let (at, _) = self.due.first()?;
        Some(self.pause_until.map_or(*at, |end| end.max(*at)))
    }

    /// Returns a node whose attempt is due.
    pub(crate) fn due(&self, now: Instant) -> Option<NodeId> {
        let is_due = self.next().is_some_and(|at| at <= now);
        self.due
            .first()
            .filter(|_| is_due)
            .map(|(_, node_id)| *node_id)
    }
}
