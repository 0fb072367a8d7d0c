//! The latest events, numbered, within a bound.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// The most events in the ring.
pub(super) const EVENTS_KEPT: usize = 4_096;
/// The most bytes of all events in the ring. An event of one peer may have 16 KiB.
pub(super) const BYTES_KEPT: usize = 4 * 1024 * 1024;
/// The most bytes of a portion, beside its first event.
const PORTION_BYTES: usize = 64 * 1024;

/// Events in the order of their numbers, which begin at 1 and leave none out.
#[derive(Debug, Default)]
pub(super) struct Ring {
    kept: VecDeque<Bytes>,
    bytes: usize,
    newest: u64,
}

impl Ring {
    /// Returns the number of the newest event; 0 before the first.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// Adds the event that `text` makes of its number, and drops the oldest beyond the limits.
    pub(super) fn push(&mut self, text: impl FnOnce(u64) -> Bytes) {
        self.newest = self.newest.saturating_add(1);
        let text = text(self.newest);
        self.bytes = self.bytes.saturating_add(text.len());
        self.kept.push_back(text);
        while self.kept.len() > EVENTS_KEPT || self.bytes > BYTES_KEPT {
            let Some(oldest) = self.kept.pop_front() else {
                return;
            };
            self.bytes = self.bytes.saturating_sub(oldest.len());
        }
    }

    /// Returns a portion of the events after `number` with the number of its last; empty where there are none.
    /// `None` where some of them were dropped, or `number` is not of this ring.
    pub(super) fn after(&self, number: u64) -> Option<(u64, Bytes)> {
        let missing = usize::try_from(self.newest.checked_sub(number)?).ok()?;
        let start = self.kept.len().checked_sub(missing)?;
        let mut last = number;
        let mut portion = BytesMut::new();
        for text in self.kept.range(start..) {
            if !portion.is_empty() && portion.len().saturating_add(text.len()) > PORTION_BYTES {
                break;
            }
            portion.extend_from_slice(text);
            last = last.saturating_add(1);
        }
        Some((last, portion.freeze()))
    }
}
