//! The datagrams sent to a socket of a simulated network that have not arrived.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::until;

/// Datagrams or messages, by time of arrival and order of sending.
pub(super) struct InFlight<T> {
    sent: BTreeMap<(Instant, u64), T>,
    count: u64,
}

impl<T> Default for InFlight<T> {
    fn default() -> Self {
        Self {
            sent: BTreeMap::new(),
            count: 0,
        }
    }
}

impl<T> InFlight<T> {
    pub(super) fn add(&mut self, sent: T, delay: Duration) {
        let now = Instant::now();
        let due = now.checked_add(delay).unwrap_or(now);
        self.count = self.count.wrapping_add(1);
        self.sent.insert((due, self.count), sent);
    }

    pub(super) fn next_due(&mut self, now: Instant) -> Option<T> {
        let next = self.sent.first_entry()?;
        (next.key().0 <= now).then(|| next.remove())
    }

    /// Waits until the next one is due; for ever if there is none.
    pub(super) async fn until_due(&self) {
        until(self.sent.first_key_value().map(|(key, _)| key.0)).await;
    }
}
