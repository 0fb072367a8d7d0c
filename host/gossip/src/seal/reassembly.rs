//! Reassembly of messages from two fragments.
//!
//! UDP loses, repeats and reorders datagrams. The kept fragments are bounded in number, size and
//! time: a sender of incomplete messages costs 2 MiB and does not displace other senders' fragments.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::error::OpenError;
use super::format::{FRAGMENT_BYTES_MAX, MessageHeader, PAYLOAD_BYTES_MAX};

/// Maximum number of kept fragments. The oldest is abandoned first.
pub(super) const FRAGMENTS_MAX: usize = 64;
/// Maximum number of kept fragments per address, so that one sender cannot displace all others.
pub(super) const FRAGMENTS_PER_SOURCE_MAX: usize = 8;
/// Time for which a fragment is kept. Both fragments are sent at once.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(2);

/// Joins fragments.
#[derive(Debug, Default)]
pub(super) struct Reassembler {
    /// Kept fragments in order of arrival.
    waiting: Vec<KeptFragment>,
    /// The message that was joined last.
    joined: Vec<u8>,
    abandoned: u64,
}

/// A fragment, one of two of a message.
#[derive(Debug)]
pub(super) struct Fragment<'a> {
    pub(super) from: SocketAddr,
    pub(super) header: MessageHeader,
    /// 0 or 1.
    pub(super) index: u8,
    pub(super) payload: &'a [u8],
}

#[derive(Debug)]
struct KeptFragment {
    from: SocketAddr,
    header: MessageHeader,
    index: u8,
    payload: Box<[u8]>,
    since: Instant,
}

impl Reassembler {
    /// Joins a fragment with the other one of its message, or keeps it until that arrives.
    pub(super) fn join(
        &mut self,
        fragment: &Fragment<'_>,
        now: Instant,
    ) -> Result<Option<&[u8]>, OpenError> {
        if fragment.payload.is_empty() || fragment.payload.len() > FRAGMENT_BYTES_MAX {
            return Err(OpenError::BadFragment);
        }
        self.expire(now);
        let index = self
            .waiting
            .iter()
            .position(|kept| kept.from == fragment.from && kept.header.id == fragment.header.id);
        let Some(index) = index else {
            self.keep(fragment, now);
            return Ok(None);
        };
        let other = self.waiting.remove(index);
        if let Err(error) = other.check(fragment) {
            self.waiting.insert(index, other);
            return Err(error);
        }
        let (head, tail) = match fragment.index {
            0 => (fragment.payload, &*other.payload),
            _ => (&*other.payload, fragment.payload),
        };
        self.joined.clear();
        self.joined.extend_from_slice(head);
        self.joined.extend_from_slice(tail);
        Ok(Some(&self.joined))
    }

    pub(super) fn abandoned(&self) -> u64 {
        self.abandoned
    }

    fn keep(&mut self, fragment: &Fragment<'_>, now: Instant) {
        let of_source = |kept: &&KeptFragment| kept.from == fragment.from;
        if self.waiting.iter().filter(of_source).count() >= FRAGMENTS_PER_SOURCE_MAX {
            self.abandon_oldest(|kept| kept.from == fragment.from);
        } else if self.waiting.len() >= FRAGMENTS_MAX {
            self.abandon_oldest(|_| true);
        }
        self.waiting.push(KeptFragment {
            from: fragment.from,
            header: fragment.header,
            index: fragment.index,
            payload: fragment.payload.into(),
            since: now,
        });
    }

    /// Abandons the oldest fragment that fulfils a condition.
    fn abandon_oldest(&mut self, condition: impl Fn(&KeptFragment) -> bool) {
        if let Some(index) = self.waiting.iter().position(condition) {
            self.waiting.remove(index);
            self.abandoned = self.abandoned.saturating_add(1);
        }
    }

    /// Abandons all fragments that were kept for too long.
    fn expire(&mut self, now: Instant) {
        let before = self.waiting.len();
        self.waiting
            .retain(|kept| now.saturating_duration_since(kept.since) <= WAIT_MAX);
        let expired = before.saturating_sub(self.waiting.len());
        self.abandoned = self
            .abandoned
            .saturating_add(u64::try_from(expired).unwrap_or(u64::MAX));
    }
}

impl KeptFragment {
    /// Checks that a fragment with the same message id is the other one of this message.
    fn check(&self, fragment: &Fragment<'_>) -> Result<(), OpenError> {
        let bytes = self.payload.len().saturating_add(fragment.payload.len());
        if self.header != fragment.header {
            Err(OpenError::BadFragment)
        } else if self.index == fragment.index {
            Err(OpenError::RepeatedFragment)
        } else if bytes > PAYLOAD_BYTES_MAX {
            Err(OpenError::BadFragment)
        } else {
            Ok(())
        }
    }
}
