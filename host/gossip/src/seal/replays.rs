//! Message ids that were received, so that a replayed datagram is not answered again.
//!
//! Only holders of a key can add ids: a datagram is authenticated first.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::format::AGE_MS_MAX;

/// Time for which an id is remembered at least: a sender's clock may be ahead by the maximum, so its
/// datagram is accepted for twice as long.
const REMEMBERED_FOR: Duration = Duration::from_millis(2 * AGE_MS_MAX);
/// Maximum number of ids in each of the two sets, which take 2 MiB each. A member that receives more than a
/// thousand messages a second forgets the oldest early.
const IDS_MAX: usize = 1 << 17;

/// The ids of messages that were received: those of the present period, and of the one before.
#[derive(Debug, Default)]
pub(super) struct Replays {
    present: HashSet<u64, foldhash::quality::RandomState>,
    former: HashSet<u64, foldhash::quality::RandomState>,
    /// Begin of the present period.
    since: Option<Instant>,
}

impl Replays {
    /// Returns `true` if a message with this id was received.
    pub(super) fn contains(&self, id: u64) -> bool {
        self.present.contains(&id) || self.former.contains(&id)
    }

    /// Remembers the id of a message.
    pub(super) fn insert(&mut self, id: u64, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let is_over = now.saturating_duration_since(since) >= REMEMBERED_FOR;
        if is_over || self.present.len() >= IDS_MAX {
            self.former = std::mem::take(&mut self.present);
            self.since = Some(now);
        }
        self.present.insert(id);
    }
}

#[cfg(test)]
mod tests;
