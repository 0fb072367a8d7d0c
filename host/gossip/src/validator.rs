//! The message validator: checks each message byte by byte before chitchat decodes it.
//!
//! chitchat 0.13 trusts its peers. 80 bytes can end its task (a falling version, or a key that begins
//! with a two-byte character), 60 KB can make it allocate a gigabyte, and a few thousand invented
//! members make it panic when it answers. The checks protect a cluster from faulty members. Without
//! encryption they are the only protection from the network.
//!
//! All messages of chitchat 0.13 (protocols V0 and V1) and 0.10 pass, with two exceptions: a key and
//! value of more than 60,000 bytes, which block replication of their member, and a message that
//! inflates to more than 8 MiB.
//!
//! The validator does no I/O, has no clock and changes no message. Its memory is bounded by two
//! blocks of text and the hashes of the members of a digest.

use std::fmt;

use chitchat::{ChitchatId, ProtocolVersion, Serializable};
use foldhash::quality::RandomState;

use delta::{DeltaReader, SelfClaim};
use digest::{Digest, DigestMember, MemberSet};
use digest_budget::DigestBudget;
use reader::{Bytes, Inflater};
use rejection::{MessageKind, Rejection};

mod delta;
mod digest;
mod digest_budget;
mod limits;
mod reader;
pub(crate) mod rejection;
#[cfg(test)]
mod tests;

const MAGIC: [u8; 2] = 45_139_u16.to_le_bytes();

/// Checks the messages that a member receives and sends.
pub(crate) struct MessageValidator {
    /// The own member id in its wire format.
    own_id: Vec<u8>,
    cluster_id: Box<str>,
    /// Highest version of its own state that this member has sent.
    sent_version: u64,
    /// Highest heartbeat that this member has sent. A peer with a higher one was misled by another
    /// member, and ignores this member's heartbeats below it.
    sent_heartbeat: u64,
    budget: DigestBudget,
    /// Digest of the current message.
    digest: Digest,
    /// Members of the current delta.
    delta_members: MemberSet,
    inflater: Inflater,
    hashes: RandomState,
}

/// A decoded message without its digest.
struct ParsedMessage {
    kind: MessageKind,
    about_self: Option<SelfClaim>,
    /// `true` for a SYN of another cluster. chitchat answers it without using its content.
    is_foreign: bool,
}

impl MessageValidator {
    /// Creates a validator for a member. `version` is the configured one of its chitchat.
    pub(crate) fn new(own: &ChitchatId, cluster_id: &str, version: ProtocolVersion) -> Self {
        let own_id = own.serialize_to_vec();
        let hashes = RandomState::default();
        Self {
            sent_version: 0,
            sent_heartbeat: 0,
            budget: DigestBudget::new(version, DigestMember::new(&own_id, &hashes)),
            digest: Digest::default(),
            delta_members: MemberSet::default(),
            inflater: Inflater::default(),
            cluster_id: cluster_id.into(),
            own_id,
            hashes,
        }
    }

    /// Checks a received message. A valid message must reach chitchat before the next check, because
    /// its members count as known from then on.
    pub(crate) fn check(&mut self, plain: &[u8]) -> Result<MessageKind, Rejection> {
        let message = self.read(plain)?;
        if let Some(claim) = message.about_self {
            return Err(if claim.is_within(self.sent_version) {
                Rejection::EchoesSelf
            } else {
                Rejection::AboutSelf
            });
        }
        if !message.is_foreign {
            if message.kind.has_digest() && self.digest.own_heartbeat() > self.sent_heartbeat {
                return Err(Rejection::AboutSelf);
            }
            self.budget.admit(message.kind, &self.digest)?;
        }
        Ok(message.kind)
    }

    /// Notes a message that this member sends. All sent messages must pass here: they are the only
    /// source of this member's sent version and digest size.
    ///
    /// # Errors
    ///
    /// The reason for which a peer's validator will reject the message.
    pub(crate) fn sent(&mut self, plain: &[u8]) -> Result<MessageKind, Rejection> {
        let message = self.read(plain).inspect_err(|_| {
            if matches!(plain, [_, _, _, MessageKind::SYN, ..]) {
                self.budget.record_sent_unreadable(plain.len());
            }
        })?;
        if let Some(claim) = message.about_self {
            self.sent_version = self.sent_version.max(claim.max_version());
        }
        if message.kind.has_digest() {
            self.sent_version = self.sent_version.max(self.digest.own_version());
            self.sent_heartbeat = self.sent_heartbeat.max(self.digest.own_heartbeat());
            self.budget.record_sent(&self.digest);
        }
        Ok(message.kind)
    }

    /// Returns the size of this member's digest as sent last, in bytes. Before the first one, the size
    /// of a digest with this member only.
    pub(crate) fn digest_bytes(&self) -> usize {
        self.budget.sent_bytes()
    }

    fn read(&mut self, plain: &[u8]) -> Result<ParsedMessage, Rejection> {
        let ([magic @ .., version, kind], body) = plain
            .split_first_chunk::<4>()
            .ok_or(Rejection::NotChitchat)?;
        if *magic != MAGIC {
            return Err(Rejection::NotChitchat);
        }
        let version = ProtocolVersion::from_code(*version).ok_or(Rejection::NotChitchat)?;
        let kind = MessageKind::from_code(*kind).ok_or(Rejection::NotChitchat)?;
        self.inflater.begin_message();
        let mut bytes = Bytes(body);
        if kind.has_digest() {
            self.read_digest(version, &mut bytes)?;
        }
        let mut about_self = None;
        let mut is_foreign = false;
        match kind {
            MessageKind::Syn => is_foreign = reader::read_name(&mut bytes)? != &*self.cluster_id,
            MessageKind::SynAck | MessageKind::Ack => about_self = self.read_delta(&mut bytes)?,
            MessageKind::BadCluster => (),
        }
        // chitchat ignores trailing bytes, but never writes any.
        if !bytes.0.is_empty() {
            return Err(Rejection::Malformed);
        }
        Ok(ParsedMessage {
            kind,
            about_self,
            is_foreign,
        })
    }

    fn read_digest(
        &mut self,
        version: ProtocolVersion,
        bytes: &mut Bytes<'_>,
    ) -> Result<(), Rejection> {
        let before = bytes.0.len();
        self.digest.begin(version);
        match version {
            ProtocolVersion::V0 => {
                let members = reader::read_u16(bytes)?;
                for _ in 0..members {
                    self.digest.read_member(bytes, &self.own_id, &self.hashes)?;
                }
            }
            ProtocolVersion::V1 => {
                let mut stream = self.inflater.open(bytes);
                while !stream.is_at_end()? {
                    self.digest
                        .read_member(&mut stream, &self.own_id, &self.hashes)?;
                }
            }
        }
        self.digest.end(before.saturating_sub(bytes.0.len()));
        Ok(())
    }

    fn read_delta(&mut self, bytes: &mut Bytes<'_>) -> Result<Option<SelfClaim>, Rejection> {
        self.delta_members.clear();
        let mut delta = DeltaReader::new(&self.own_id, &self.hashes, &mut self.delta_members);
        let mut stream = self.inflater.open(bytes);
        while !stream.is_at_end()? {
            delta.read_op(&mut stream)?;
        }
        Ok(delta.about_self())
    }
}

impl fmt::Debug for MessageValidator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageValidator")
            .field("sent_version", &self.sent_version)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}
