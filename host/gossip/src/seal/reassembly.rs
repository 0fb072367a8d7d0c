//! Reassembly of messages from two fragments.
//!
//! UDP loses, repeats and reorders datagrams. The kept fragments are bounded in number, size and
//! time: a sender of incomplete messages costs 2 MiB and does not displace other senders' fragments.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::format::{MessageHeader, PAYLOAD_BYTES_MAX};
use crate::drop_reason::DropReason;

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
    waiting: Vec<Fragment>,
    /// The message that was joined last.
    joined: Vec<u8>,
    pub(super) abandoned: u64,
}

/// A fragment, one of two of a message.
#[derive(Debug)]
pub(super) struct Fragment {
    pub(super) from: SocketAddr,
    pub(super) header: MessageHeader,
    /// 0 or 1.
    pub(super) index: u8,
    /// 1 to [`FRAGMENT_BYTES_MAX`](super::format::FRAGMENT_BYTES_MAX) bytes.
    pub(super) payload: Box<[u8]>,
    /// Time of arrival.
    pub(super) since: Instant,
}

impl Reassembler {
    /// Joins a fragment with the other one of its message, or keeps it until that arrives.
    pub(super) fn join(&mut self, fragment: Fragment) -> Result<Option<&[u8]>, DropReason> {
        self.expire(fragment.since);
        let index = self
            .waiting
            .iter()
            .position(|kept| kept.from == fragment.from && kept.header.id == fragment.header.id);
        let Some(index) = index else {
            self.keep(fragment);
            return Ok(None);
        };
        let other = self.waiting.remove(index);
        if let Err(error) = other.check(&fragment) {
            self.waiting.insert(index, other);
            return Err(error);
        }
        let [head, tail] = match fragment.index {
            0 => [fragment.payload, other.payload],
            _ => [other.payload, fragment.payload],
        };
        self.joined = [head, tail].concat();
        Ok(Some(&self.joined))
    }

    fn keep(&mut self, fragment: Fragment) {
        let of_source = |kept: &&Fragment| kept.from == fragment.from;
        if self.waiting.iter().filter(of_source).count() >= FRAGMENTS_PER_SOURCE_MAX {
            self.abandon_oldest(|kept| kept.from == fragment.from);
        } else if self.waiting.len() >= FRAGMENTS_MAX {
            self.abandon_oldest(|_| true);
        }
        self.waiting.push(fragment);
    }

    /// Abandons the oldest fragment that fulfils a condition.
    fn abandon_oldest(&mut self, condition: impl Fn(&Fragment) -> bool) {
        if let Some(index) = self.waiting.iter().position(condition) {
            self.waiting.remove(index);
            self.abandoned = self.abandoned.saturating_add(1);
        }
    }

    /// Abandons all fragments that were kept for too long.
    fn expire(&mut self, now: Instant) {
        let expired = self.waiting.extract_if(.., |kept| {
            now.saturating_duration_since(kept.since) > WAIT_MAX
        });
        let expired = u64::try_from(expired.count()).unwrap_or(u64::MAX);
        self.abandoned = self.abandoned.saturating_add(expired);
    }
}

impl Fragment {
    /// Checks that a fragment with the same message id is the other one of this message.
    fn check(&self, other: &Self) -> Result<(), DropReason> {
        let bytes = self.payload.len().saturating_add(other.payload.len());
        if self.header != other.header {
            Err(DropReason::BadFragment)
        } else if self.index == other.index {
            Err(DropReason::RepeatedFragment)
        } else if bytes > PAYLOAD_BYTES_MAX {
            Err(DropReason::BadFragment)
        } else {
            Ok(())
        }
    }
}
