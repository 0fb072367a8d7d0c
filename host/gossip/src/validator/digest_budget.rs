//! How much room the digest of all known members leaves in a datagram.
//!
//! chitchat puts every member that it knows into each message that begins or answers a round, and
//! panics when that leaves no room for an answer. It tells nobody how large its digest is. So the
//! size is taken from the digests that it sends, and what has come in since is added.

use std::collections::HashMap;

use chitchat::ProtocolVersion;

use super::digest::{Digest, DigestMember, MemberSet};
use super::{DIGEST_BYTES_MAX, MessageKind, Rejection, SYN_DIGEST_BYTES_MAX};

/// What a digest takes without members: their number, or the sign that no block follows.
const EMPTY_BYTES: usize = 2;

/// The own digest: as it was sent last, and what must have been added since.
#[derive(Debug)]
pub(super) struct DigestBudget {
    /// How chitchat reckons the size, whatever version it answers in.
    version: ProtocolVersion,
    sent: MemberSet,
    sent_bytes: usize,
    /// The same uncompressed.
    sent_members_bytes: usize,
    /// Members of others' digests that were not in the own one. Each takes room, so they are no
    /// more than fit.
    received: HashMap<u64, Received, foldhash::fast::RandomState>,
    received_bytes: usize,
    /// Numbers the messages that were received.
    message: u64,
}

#[derive(Debug, Clone, Copy)]
struct Received {
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

    /// Lets a message in, or refuses it for want of room.
    ///
    /// A message that begins a round would be answered. The second message of a round is answered
    /// without a digest, so it may bring members for as long as the own digest can still be sent. A
    /// message without a digest brings none.
    pub(super) fn admit(&mut self, kind: MessageKind, digest: &Digest) -> Result<(), Rejection> {
        let message = self.message.saturating_add(1);
        if kind.has_digest() {
            let room_bytes = match kind {
                MessageKind::Syn => SYN_DIGEST_BYTES_MAX,
                _ => DIGEST_BYTES_MAX,
            };
            let new_bytes = self
                .new_members(digest)
                .fold(0_usize, |sum, (_, bytes)| sum.saturating_add(bytes));
            let bytes = self.bytes().saturating_add(new_bytes);
            if bytes > room_bytes && (kind == MessageKind::Syn || new_bytes > 0) {
                return Err(Rejection::DigestFull);
            }
            self.add_new_members(digest, message);
        }
        self.message = message;
        Ok(())
    }

    /// Takes over the digest of a message that this member sends.
    ///
    /// chitchat may have written it before it read the message that was received last, whose members
    /// are not in it then: they count until a digest is sent after a later message was received.
    pub(super) fn record_sent(&mut self, digest: &Digest) {
        if digest.version() != self.version {
            return;
        }
        self.sent.clear();
        self.sent
            .extend(digest.members().iter().map(|member| member.hash));
        self.sent_bytes = digest.wire_bytes();
        self.sent_members_bytes = digest.members_bytes();
        self.received
            .retain(|hash, received| received.message == self.message && !self.sent.contains(hash));
        self.received_bytes = self
            .received
            .values()
            .fold(0, |sum, received| sum.saturating_add(received.bytes));
    }

    /// Takes over the size of a digest that holds what a check would refuse. All members count as
    /// new then.
    pub(super) fn record_sent_unreadable(&mut self, message_bytes: usize) {
        self.sent.clear();
        self.sent_bytes = message_bytes;
        self.sent_members_bytes = message_bytes;
    }

    pub(super) fn sent_bytes(&self) -> usize {
        self.sent_bytes
    }

    /// How many members are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.sent.len() + self.received.len()
    }

    /// What the own digest takes by now, at most.
    fn bytes(&self) -> usize {
        self.sent_bytes.saturating_add(self.received_bytes)
    }

    /// The members that a digest would add to the own one, with the room that each takes.
    fn new_members<'a>(&'a self, digest: &'a Digest) -> impl Iterator<Item = (u64, usize)> + 'a {
        digest
            .members()
            .iter()
            .filter(|member| !self.sent.contains(&member.hash))
            .filter(|member| !self.received.contains_key(&member.hash))
            .map(|member| (member.hash, self.cost_of(*member, digest)))
    }

    /// What a member will take in the own digest. Compressed, nobody knows before: members of one
    /// cluster look alike, so they are taken to shrink as those did that have travelled.
    fn cost_of(&self, member: DigestMember, digest: &Digest) -> usize {
        let (wire_bytes, members_bytes) = match (self.version, digest.version()) {
            (ProtocolVersion::V0, _) => return member.bytes,
            (_, ProtocolVersion::V1) => (digest.wire_bytes(), digest.members_bytes()),
            (_, ProtocolVersion::V0) => (self.sent_bytes, self.sent_members_bytes),
        };
        member
            .bytes
            .saturating_mul(wire_bytes)
            .checked_div(members_bytes)
            .unwrap_or(member.bytes)
            .clamp(1, member.bytes)
    }

    fn add_new_members(&mut self, digest: &Digest, message: u64) {
        for member in digest.members() {
            if self.sent.contains(&member.hash) || self.received.contains_key(&member.hash) {
                continue;
            }
            let bytes = self.cost_of(*member, digest);
            self.received
                .insert(member.hash, Received { bytes, message });
            self.received_bytes = self.received_bytes.saturating_add(bytes);
        }
    }
}
