//! How much room the digest of all known members leaves in a datagram.
//!
//! chitchat puts every member that it knows into each message that begins or answers a round, and
//! panics when that leaves no room for an answer. It tells nobody how large its digest is. So the
//! size is taken from the digests that it sends, and what has come in since is added.

use std::collections::HashMap;

use chitchat::ProtocolVersion;

use super::digest::{Digest, Member, MemberSet};
use super::{Kind, MEMBER_ROOM_BYTES, Refused, SYN_ROOM_BYTES};

/// What a digest takes without members: their number, or the sign that no block follows.
const EMPTY_BYTES: usize = 2;

/// The own digest: as it was sent last, and what must have been added since.
#[derive(Debug)]
pub(super) struct DigestRoom {
    /// How chitchat reckons the size, whatever version it answers in.
    version: ProtocolVersion,
    told: MemberSet,
    told_bytes: usize,
    /// The same uncompressed.
    told_members_bytes: usize,
    /// Members of others' digests that were not in the own one. Each takes room, so they are no
    /// more than fit.
    heard: HashMap<u64, Heard, foldhash::fast::RandomState>,
    heard_bytes: usize,
    /// Numbers the messages that were heard.
    message: u64,
}

#[derive(Debug, Clone, Copy)]
struct Heard {
    bytes: usize,
    message: u64,
}

impl DigestRoom {
    pub(super) fn new(version: ProtocolVersion, own: Member) -> Self {
        let told_bytes = own.bytes.saturating_add(EMPTY_BYTES);
        Self {
            version,
            told: MemberSet::from_iter([own.hash]),
            told_bytes,
            told_members_bytes: told_bytes,
            heard: HashMap::default(),
            heard_bytes: 0,
            message: 0,
        }
    }

    /// Lets a message in, or refuses it for want of room.
    ///
    /// A message that begins a round would be answered. The second message of a round is answered
    /// without a digest, so it may bring members for as long as the own digest can still be sent. A
    /// message without a digest brings none.
    pub(super) fn hear(&mut self, kind: Kind, digest: &Digest) -> Result<(), Refused> {
        let message = self.message.saturating_add(1);
        if kind.has_digest() {
            let room_bytes = match kind {
                Kind::Syn => SYN_ROOM_BYTES,
                _ => MEMBER_ROOM_BYTES,
            };
            let new_bytes = self
                .new_members(digest)
                .fold(0_usize, |sum, (_, bytes)| sum.saturating_add(bytes));
            let bytes = self.bytes().saturating_add(new_bytes);
            if bytes > room_bytes && (kind == Kind::Syn || new_bytes > 0) {
                return Err(Refused::DigestFull);
            }
            self.add_new_members(digest, message);
        }
        self.message = message;
        Ok(())
    }

    /// Takes over the digest of a message that this member sends.
    ///
    /// chitchat may have written it before it read the message that was heard last, whose members
    /// are not in it then: they count until a digest is sent after a later message was heard.
    pub(super) fn told(&mut self, digest: &Digest) {
        if digest.version() != self.version {
            return;
        }
        self.told.clear();
        self.told
            .extend(digest.members().iter().map(|member| member.hash));
        self.told_bytes = digest.wire_bytes();
        self.told_members_bytes = digest.members_bytes();
        self.heard
            .retain(|hash, heard| heard.message == self.message && !self.told.contains(hash));
        self.heard_bytes = self
            .heard
            .values()
            .fold(0, |sum, heard| sum.saturating_add(heard.bytes));
    }

    /// Takes over the size of a digest that holds what a check would refuse. All members count as
    /// new then.
    pub(super) fn told_unreadable(&mut self, message_bytes: usize) {
        self.told.clear();
        self.told_bytes = message_bytes;
        self.told_members_bytes = message_bytes;
    }

    pub(super) fn told_bytes(&self) -> usize {
        self.told_bytes
    }

    /// How many members are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.told.len() + self.heard.len()
    }

    /// What the own digest takes by now, at most.
    fn bytes(&self) -> usize {
        self.told_bytes.saturating_add(self.heard_bytes)
    }

    /// The members that a digest would add to the own one, with the room that each takes.
    fn new_members<'a>(&'a self, digest: &'a Digest) -> impl Iterator<Item = (u64, usize)> + 'a {
        digest
            .members()
            .iter()
            .filter(|member| !self.told.contains(&member.hash))
            .filter(|member| !self.heard.contains_key(&member.hash))
            .map(|member| (member.hash, self.room_of(*member, digest)))
    }

    /// What a member will take in the own digest. Compressed, nobody knows before: members of one
    /// cluster look alike, so they are taken to shrink as those did that have travelled.
    fn room_of(&self, member: Member, digest: &Digest) -> usize {
        let (wire_bytes, members_bytes) = match (self.version, digest.version()) {
            (ProtocolVersion::V0, _) => return member.bytes,
            (_, ProtocolVersion::V1) => (digest.wire_bytes(), digest.members_bytes()),
            (_, ProtocolVersion::V0) => (self.told_bytes, self.told_members_bytes),
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
            if self.told.contains(&member.hash) || self.heard.contains_key(&member.hash) {
                continue;
            }
            let bytes = self.room_of(*member, digest);
            self.heard.insert(member.hash, Heard { bytes, message });
            self.heard_bytes = self.heard_bytes.saturating_add(bytes);
        }
    }
}
