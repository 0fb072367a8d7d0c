//! Halves of messages that wait for their other half.
//!
//! UDP loses, repeats and reorders. What is kept is bounded in number, size and time, so a sender
//! that only ever sends halves costs two MiB and none of its neighbours' messages.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{FRAGMENT_BYTES_MAX, MessageHeader, OpenError, PAYLOAD_BYTES_MAX};

/// How many halves are kept in all. The oldest goes first.
pub(super) const FRAGMENTS_MAX: usize = 64;
/// How many of these are kept for one address, so that one sender cannot displace all others.
pub(super) const FRAGMENTS_PER_SOURCE_MAX: usize = 8;
/// How long a half is kept. Both halves leave their sender at once.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(2);

/// The halves that wait.
#[derive(Debug, Default)]
pub(super) struct Reassembler {
    /// In the order of their arrival.
    waiting: Vec<Waiting>,
    /// The message that was joined last.
    joined: Vec<u8>,
    abandoned: u64,
}

/// One of the two parts of a message.
#[derive(Debug)]
pub(super) struct Fragment<'a> {
    pub(super) from: SocketAddr,
    pub(super) message: MessageHeader,
    /// 0 or 1.
    pub(super) index: u8,
    pub(super) payload: &'a [u8],
}

#[derive(Debug)]
struct Waiting {
    from: SocketAddr,
    message: MessageHeader,
    index: u8,
    payload: Box<[u8]>,
    since: Instant,
}

impl Reassembler {
    /// Joins a part with its other half, or keeps it until that comes.
    pub(super) fn join(
        &mut self,
        part: &Fragment<'_>,
        now: Instant,
    ) -> Result<Option<&[u8]>, OpenError> {
        if part.payload.is_empty() || part.payload.len() > FRAGMENT_BYTES_MAX {
            return Err(OpenError::BadFragment);
        }
        self.give_up(|waiting| now.saturating_duration_since(waiting.since) > WAIT_MAX);
        let place = self
            .waiting
            .iter()
            .position(|waiting| waiting.from == part.from && waiting.message.id == part.message.id);
        let Some(place) = place else {
            self.keep(part, now);
            return Ok(None);
        };
        let other = self.waiting.remove(place);
        if let Err(reason) = other.check(part) {
            self.waiting.insert(place, other);
            return Err(reason);
        }
        let (head, tail) = match part.index {
            0 => (part.payload, &*other.payload),
            _ => (&*other.payload, part.payload),
        };
        self.joined.clear();
        self.joined.extend_from_slice(head);
        self.joined.extend_from_slice(tail);
        Ok(Some(&self.joined))
    }

    pub(super) fn abandoned(&self) -> u64 {
        self.abandoned
    }

    fn keep(&mut self, part: &Fragment<'_>, now: Instant) {
        let of_source = |waiting: &&Waiting| waiting.from == part.from;
        if self.waiting.iter().filter(of_source).count() >= FRAGMENTS_PER_SOURCE_MAX {
            self.displace(|waiting| waiting.from == part.from);
        } else if self.waiting.len() >= FRAGMENTS_MAX {
            self.displace(|_| true);
        }
        self.waiting.push(Waiting {
            from: part.from,
            message: part.message,
            index: part.index,
            payload: part.payload.into(),
            since: now,
        });
    }

    /// Gives up the oldest of those that may go.
    fn displace(&mut self, may_go: impl Fn(&Waiting) -> bool) {
        if let Some(place) = self.waiting.iter().position(may_go) {
            self.waiting.remove(place);
            self.abandoned = self.abandoned.saturating_add(1);
        }
    }

    fn give_up(&mut self, is_over: impl Fn(&Waiting) -> bool) {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| !is_over(waiting));
        let gone = before.saturating_sub(self.waiting.len());
        self.abandoned = self
            .abandoned
            .saturating_add(u64::try_from(gone).unwrap_or(u64::MAX));
    }
}

impl Waiting {
    /// Whether a part with the same message id is the other half of this one.
    fn check(&self, part: &Fragment<'_>) -> Result<(), OpenError> {
        let bytes = self.payload.len().saturating_add(part.payload.len());
        if self.message != part.message {
            Err(OpenError::BadFragment)
        } else if self.index == part.index {
            Err(OpenError::RepeatedFragment)
        } else if bytes > PAYLOAD_BYTES_MAX {
            Err(OpenError::BadFragment)
        } else {
            Ok(())
        }
    }
}
