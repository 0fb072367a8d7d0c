//! The digest budget: limits the size of the own digest.
//!
//! chitchat puts every known member into each SYN and SYN-ACK, and panics if its digest leaves too
//! little of the datagram for an answer. It does not expose the size of its digest. The budget takes
//! the size from sent digests, and adds the members received since. Members that do not fit are left
//! out of a received digest, so chitchat goes on with those that it knows.

use std::collections::HashMap;

use chitchat::ProtocolVersion;

use super::digest::{Digest, DigestMember, MemberSet};
use super::protocol::{DIGEST_BYTES_MAX, MEMBERS_MAX, MessageKind, SYN_DIGEST_BYTES_MAX};
use crate::drop_reason::DropReason;

/// Size of a digest without members: their number, or the end of the stream.
const EMPTY_BYTES: usize = 2;

/// The own digest: its members when last sent, and those added since.
#[derive(Debug)]
pub(super) struct DigestBudget {
    /// Version by which chitchat computes the size, also if it answers in another one.
    version: ProtocolVersion,
    pub(super) sent: MemberSet,
    pub(super) sent_bytes: usize,
    /// Uncompressed size of the sent digest.
    sent_members_bytes: usize,
    /// Members of received digests that were not in the own one. Bounded by the maximum digest size.
    pub(super) received: HashMap<u64, Received, foldhash::fast::RandomState>,
    received_bytes: usize,
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
        let sent_bytes = own.bytes.saturating_add(EMPTY_BYTES);
        Self {
            version,
            sent: MemberSet::from_iter([own.hash]),
            sent_bytes,
            sent_members_bytes: sent_bytes,
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
    pub(super) fn admit(
        &mut self,
        kind: MessageKind,
        digest: Option<&Digest>,
    ) -> Result<MemberSet, DropReason> {
        let mut left_out = MemberSet::default();
        let known_bytes = self.sent_bytes.saturating_add(self.received_bytes);
        if kind == MessageKind::Syn && known_bytes > SYN_DIGEST_BYTES_MAX {
            return Err(DropReason::DigestFull);
        }
        self.message = self.message.saturating_add(1);
        let message = self.message;
        for (hash, bytes) in digest.map_or_else(Vec::new, |digest| self.new_members(digest)) {
            let all_bytes = sum([self.sent_bytes, self.received_bytes, bytes]);
            let members = self.sent.len().saturating_add(self.received.len());
            if all_bytes > DIGEST_BYTES_MAX || members >= MEMBERS_MAX {
                left_out.insert(hash);
            } else if self
                .received
                .insert(hash, Received { bytes, message })
                .is_none()
            {
                self.received_bytes = all_bytes.saturating_sub(self.sent_bytes);
            }
        }
        Ok(left_out)
    }

    /// Notes the digest of a sent message.
    ///
    /// chitchat may have written it before it read the last received message, whose members are not
    /// in it then. They count until a digest is sent after a later message was received.
    pub(super) fn record_sent(&mut self, digest: &Digest) {
        if digest.version != self.version {
            return;
        }
        self.sent.clear();
        self.sent
            .extend(digest.members.iter().map(|member| member.hash));
        self.sent_bytes = digest.wire_bytes;
        self.sent_members_bytes = digest.members_bytes;
        self.received
            .retain(|hash, received| received.message == self.message && !self.sent.contains(hash));
        self.received_bytes = sum(self.received.values().map(|received| received.bytes));
    }

    /// Notes the size of a sent digest that cannot be decoded. All members count as new then.
    pub(super) fn record_sent_unreadable(&mut self, message_bytes: usize) {
        self.sent.clear();
        self.sent_bytes = message_bytes;
        self.sent_members_bytes = message_bytes;
    }

    /// Returns the members that a digest would add to the own one, with their sizes.
    fn new_members(&self, digest: &Digest) -> Vec<(u64, usize)> {
        let members = digest.members.iter();
        members
            .filter(|member| !self.sent.contains(&member.hash))
            .filter(|member| !self.received.contains_key(&member.hash))
            .map(|member| (member.hash, self.cost_of(*member, digest)))
            .collect()
    }

    /// Estimates the size of a member in the own digest. For compressed digests, members are assumed to
    /// compress as those of the received or sent digest.
    fn cost_of(&self, member: DigestMember, digest: &Digest) -> usize {
        let (wire_bytes, members_bytes) = match (self.version, digest.version) {
            (ProtocolVersion::V0, _) => return member.bytes,
            (_, ProtocolVersion::V1) => (digest.wire_bytes, digest.members_bytes),
            (_, ProtocolVersion::V0) => (self.sent_bytes, self.sent_members_bytes),
        };
        member
            .bytes
            .saturating_mul(wire_bytes)
            .checked_div(members_bytes)
            .unwrap_or(member.bytes)
            .clamp(1, member.bytes)
    }
}

fn sum(sizes: impl IntoIterator<Item = usize>) -> usize {
    sizes.into_iter().fold(0, usize::saturating_add)
}
