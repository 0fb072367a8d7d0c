//! The latest events, numbered, within a bound.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// How many events are kept for those who are behind.
pub(super) const EVENTS_KEPT: usize = 4_096;
/// How many bytes they may have together. An event of one peer may have 16 KiB.
pub(super) const BYTES_KEPT: usize = 4 * 1024 * 1024;
/// How much is handed out at once, beside the first event of it.
const PORTION_BYTES: usize = 64 * 1024;

/// Events in the order of their numbers, which begin at 1 and leave none out.
#[derive(Debug, Default)]
pub(super) struct Ring {
    kept: VecDeque<Bytes>,
    bytes: usize,
    newest: u64,
}

impl Ring {
    /// The number of the newest event; 0 before the first.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// Adds an event, given its number. The oldest go where there are too many.
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

    /// A portion of the events after `number`, with the number of its last; empty where there are none.
    /// `None` where some of them are not kept any more, or `number` was never given.
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
