//! The digest budget: limits the size of the own digest.
//!
//! chitchat puts every known member into each SYN and SYN-ACK, and panics if its digest leaves too
//! little of the datagram for an answer. It does not expose the size of its digest. The budget takes
//! the size from sent digests, and adds the members received since. Members that do not fit are left
//! out of a received digest, so chitchat goes on with those that it knows.

use std::collections::HashMap;

use chitchat::ProtocolVersion;

use super::digest::{Digest, DigestMember, MemberSet};
use super::protocol::{
    DIGEST_BYTES_MAX, MEMBERS_MAX, MESSAGE_BYTES_MAX, MessageKind, SYN_DIGEST_BYTES_MAX,
};
use super::reader::deflate;
use super::state_budget::StateBudget;
use crate::drop_reason::DropReason;

/// Size of a digest without members: their number, or the end of the stream.
const EMPTY_BYTES: usize = 2;
/// Number of new members whose compressed size is computed together: about a block of chitchat's stream.
const SIZED_TOGETHER: usize = 256;

/// The own digest: its members when last sent, and those added since.
#[derive(Debug)]
pub(super) struct DigestBudget {
    /// Version by which chitchat computes the size, also if it answers in another one.
    version: ProtocolVersion,
    pub(super) sent: MemberSet,
    pub(super) sent_bytes: usize,
    /// Members of received digests that were not in the own one. At most [`MEMBERS_MAX`] with those sent.
    pub(super) received: HashMap<u64, Received, foldhash::fast::RandomState>,
    pub(super) received_bytes: usize,
    /// Number of received messages.
    message: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Received {
    bytes: usize,
    message: u64,
}

impl DigestBudget {
    pub(super) fn new(version: ProtocolVersion, own: DigestMember) -> Self {
        Self {
            version,
            sent: MemberSet::from_iter([own.hash]),
            sent_bytes: own.bytes.saturating_add(EMPTY_BYTES),
            received: HashMap::default(),
            received_bytes: 0,
            message: 0,
        }
    }

    /// Admits a received message, and returns the members of its digest that do not fit into the own one.
    ///
    /// # Errors
    ///
    /// [`DropReason::DigestFull`] for a SYN, which is answered with the own digest, if that is too large.
    /// [`DropReason::Malformed`] if the members cannot be compressed.
    pub(super) fn admit(
        &mut self,
        kind: MessageKind,
        digest: Option<&Digest>,
    ) -> Result<MemberSet, DropReason> {
        let known_bytes = self.sent_bytes.saturating_add(self.received_bytes);
        if kind == MessageKind::Syn && known_bytes > SYN_DIGEST_BYTES_MAX {
            return Err(DropReason::DigestFull);
        }
        self.message = self.message.saturating_add(1);
        let mut left_out = MemberSet::default();
        let Some(digest) = digest else {
            return Ok(left_out);
        };
        let mut named = MemberSet::default();
        let new = digest.entries();
        let new = new.filter(|(hash, _)| !self.names(*hash) && named.insert(*hash));
        let new: Vec<(u64, &[u8])> = new.collect();
        let sized_together = match self.version {
            ProtocolVersion::V0 => 1,
            ProtocolVersion::V1 => SIZED_TOGETHER,
        };
        for part in new.chunks(sized_together) {
            let hashes = part.iter().map(|(hash, _)| *hash);
            let entries: Vec<u8> = part.iter().flat_map(|(_, entry)| *entry).copied().collect();
            let bytes = match self.version {
                ProtocolVersion::V0 => entries.len(),
                ProtocolVersion::V1 => deflate(&entries)?.len(),
            };
            let all_bytes = sum([self.sent_bytes, self.received_bytes, bytes]);
            let members = sum([self.sent.len(), self.received.len(), part.len()]);
            if all_bytes > DIGEST_BYTES_MAX || members > MEMBERS_MAX {
                left_out.extend(hashes);
                continue;
            }
            let received = Received {
                bytes: bytes.div_ceil(part.len()),
                message: self.message,
            };
            self.received.extend(hashes.map(|hash| (hash, received)));
            self.received_bytes = self.received_bytes.saturating_add(bytes);
        }
        Ok(left_out)
    }

    /// Returns `true` if the own digest names the member, or will.
    pub(super) fn names(&self, member: u64) -> bool {
        self.sent.contains(&member) || self.received.contains_key(&member)
    }

    /// Notes the digest of a sent message.
    ///
    /// chitchat may have written it before it read the last received message, whose members are not
    /// in it then. They count until a digest is sent after a later message was received, and longer while chitchat
    /// stores them: one that is about to be deleted is not in the digest, and a heartbeat brings it back.
    pub(super) fn record_sent(&mut self, digest: &Digest, states: &StateBudget) {
        if digest.version != self.version {
            return;
        }
        self.sent.clear();
        self.sent
            .extend(digest.members.iter().map(|member| member.hash));
        self.sent_bytes = digest.wire_bytes;
        self.received.retain(|hash, received| {
            let is_stored = received.message == self.message || states.has_measured(*hash);
            is_stored && !self.sent.contains(hash)
        });
        self.received_bytes = sum(self.received.values().map(|received| received.bytes));
    }

    /// Notes that the own digest cannot be sent, or that no peer will accept it. It counts as full until the next one.
    pub(super) fn record_unsent(&mut self) {
        self.sent_bytes = MESSAGE_BYTES_MAX.saturating_add(1);
    }
}

fn sum(sizes: impl IntoIterator<Item = usize>) -> usize {
    sizes.into_iter().fold(0, usize::saturating_add)
}
