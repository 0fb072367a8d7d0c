//! What chitchat may read: a message is checked here, byte for byte, before chitchat sees it.
//!
//! chitchat 0.13 trusts its peers. Some 80 bytes end its task for good (a falling version, a key
//! that begins with a letter of two bytes), 60 KB make it allocate a gigabyte, and a few thousand
//! invented members make it panic when it answers. The checks guard a cluster against mistakes of
//! its own members; where gossip is not sealed they are all that stands between it and the network.
//!
//! Everything that chitchat 0.13 (protocols V0 and V1) and 0.10 write passes. Two things that they
//! can write do not, because the cure is worse: a key and value of more than 60,000 bytes, behind
//! which all else waits for ever, and a message that inflates to more than 8 MiB.
//!
//! Nothing here changes a message, opens a socket, asks a clock or says how a peer should be
//! punished. Memory is bounded: two blocks of text, and the hashes of the members of a digest.

use std::fmt;

use chitchat::{ChitchatId, ProtocolVersion, Serializable};
use foldhash::quality::RandomState;

use delta::{DeltaReader, SelfClaim};
use digest::{Digest, DigestMember, MemberSet};
use digest_budget::DigestBudget;
use reader::{Bytes, Inflater};

mod delta;
mod digest;
mod digest_budget;
mod reader;
#[cfg(test)]
mod tests;

/// What the compressed parts of a message may inflate to, in all. Four times what any cluster of
/// ours has to say at once, and chitchat needs some ten times as much while it reads it.
pub(super) const INFLATED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The most operations of a delta: what chitchat keeps in memory for each is larger than the
/// smallest one in the datagram.
pub(super) const OPS_MAX: usize = 100_000;
/// The most members that a digest or a delta may name. Not even short names get so many into a
/// datagram.
pub(super) const MEMBERS_MAX: usize = 4_096;
/// The longest name of a member, and of a cluster, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 256;
/// The largest key and value together: larger ones do not fit beside anything else, are never
/// passed on, and hold up all that their member writes later.
pub(super) const KEY_VALUE_BYTES_MAX: usize = 60_000;
/// Versions and heartbeats stay below. They count up from 1, a few hundred in a second: no honest
/// one gets here in a million years, and chitchat adds 1 to them without looking.
pub(super) const COUNT_MAX: u64 = u64::MAX / 2;

/// Above this size of the own digest a message that begins a round is not answered, in bytes.
/// chitchat panics at 65,403, where 100 bytes would be left for its answer; the rest makes up for
/// what is only estimated between two digests of our own.
pub(super) const SYN_DIGEST_BYTES_MAX: usize = 60_000;
/// Above this size of the own digest no further members are let in, in bytes. Beyond 65,373 this
/// member could not send its own digest any more, and would be alone until half of the grace
/// period for dead members has passed.
pub(super) const DIGEST_BYTES_MAX: usize = 65_000;

const MAGIC: [u8; 2] = 45_139_u16.to_le_bytes();
/// The type of the message that begins a round.
const SYN: u8 = 0;

/// Checks the messages of one membership, in both directions.
pub(super) struct MessageValidator {
    /// The own member as it travels.
    own_id: Vec<u8>,
    cluster_id: Box<str>,
    /// The highest version of its own state that this member has told anybody.
    sent_version: u64,
    /// The highest heartbeat that this member has told. Whoever knows a higher one has it from
    /// somebody else, and hears none of this member's until it gets there.
    sent_heartbeat: u64,
    budget: DigestBudget,
    /// The digest of the message at hand.
    digest: Digest,
    /// The members of the delta at hand.
    delta_members: MemberSet,
    inflater: Inflater,
    hashes: RandomState,
}

/// What a message is, which chitchat may now read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageKind {
    Syn,
    SynAck,
    Ack,
    BadCluster,
}

/// Why chitchat must not read a message. Nothing of it was taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Rejection {
    /// It does not begin as a message of chitchat 0.10 to 0.13.
    NotChitchat,
    /// It ends too early or too late, or holds something that is not what belongs there.
    Malformed,
    /// It inflates to more than [`INFLATED_BYTES_MAX`].
    Inflated,
    /// It names more than [`MEMBERS_MAX`] members.
    TooManyMembers,
    /// Its delta has more than [`OPS_MAX`] operations.
    TooManyOps,
    /// A name has more than [`NAME_BYTES_MAX`] bytes.
    LongName,
    /// A key and its value have more than [`KEY_VALUE_BYTES_MAX`] bytes.
    LargeValue,
    /// A key begins with a character of several bytes, in the middle of which chitchat would cut.
    BadKey,
    /// Its delta is about no member, or about one twice.
    BadMember,
    /// A version does not rise as it must, or a version or heartbeat is beyond [`COUNT_MAX`].
    BadVersion,
    /// Its delta is about this very member and ahead of all that this member has told, or its digest
    /// has a heartbeat of this member that it has never had: somebody else speaks in its name, and
    /// peers believe it. Only a new generation helps.
    AboutSelf,
    /// Its delta is about this very member, with what this member has told itself: a peer answered
    /// an old message. Of no use, of no harm.
    EchoesSelf,
    /// The digest of all members would leave no room for an answer, or could not be sent at all.
    DigestFull,
}

/// What a message has to say, beside its digest.
struct ParsedMessage {
    kind: MessageKind,
    about_self: Option<SelfClaim>,
    /// It begins a round, in another cluster. chitchat says so to the sender and takes nothing over.
    is_foreign: bool,
}

impl MessageValidator {
    /// Checks for a member of a cluster. The version is the one that its chitchat is configured
    /// with.
    pub(super) fn new(own: &ChitchatId, cluster_id: &str, version: ProtocolVersion) -> Self {
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

    /// Says whether chitchat may read a message that has arrived. If so, it must have read it
    /// before the next one is checked: from then on its members count as known.
    pub(super) fn check(&mut self, plain: &[u8]) -> Result<MessageKind, Rejection> {
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

    /// Takes note of a message that this member sends. All of them should pass here: what a peer
    /// may say about this member, and how large the digest is, is known from nothing else.
    ///
    /// An error says that peers which check as we do will drop the message.
    pub(super) fn sent(&mut self, plain: &[u8]) -> Result<MessageKind, Rejection> {
        let message = self.read(plain).inspect_err(|_| {
            if matches!(plain, [_, _, _, SYN, ..]) {
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

    /// The size of this member's digest as it was sent last; before that, of one with this member
    /// alone. Beyond [`SYN_DIGEST_BYTES_MAX`] no message that begins a round is answered.
    pub(super) fn digest_bytes(&self) -> usize {
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
        // chitchat would overlook what follows, but never writes it.
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

impl MessageKind {
    fn from_code(code: u8) -> Option<Self> {
        match code {
            SYN => Some(Self::Syn),
            1 => Some(Self::SynAck),
            2 => Some(Self::Ack),
            3 => Some(Self::BadCluster),
            _ => None,
        }
    }

    fn has_digest(self) -> bool {
        matches!(self, Self::Syn | Self::SynAck)
    }
}

impl Rejection {
    /// The reason's name in metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::NotChitchat => "not_chitchat",
            Self::Malformed => "malformed",
            Self::Inflated => "inflated",
            Self::TooManyMembers => "too_many_members",
            Self::TooManyOps => "too_many_ops",
            Self::LongName => "long_name",
            Self::LargeValue => "large_value",
            Self::BadKey => "bad_key",
            Self::BadMember => "bad_member",
            Self::BadVersion => "bad_version",
            Self::AboutSelf => "about_self",
            Self::EchoesSelf => "echoes_self",
            Self::DigestFull => "digest_full",
        }
    }
}
