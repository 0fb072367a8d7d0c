//! chitchat's messages: their kinds, and the limits of their content.

/// Maximum size of all compressed parts of a message, inflated. Four times the largest message of a
/// cluster of agents. chitchat needs about ten times as much memory to decode it.
pub(super) const INFLATED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Maximum size of a message, which is that of a UDP datagram.
pub(crate) const MESSAGE_BYTES_MAX: usize = 65_507;
/// Maximum number of operations in a delta. chitchat's memory per operation is larger than the
/// smallest operation in the datagram.
pub(super) const OPS_MAX: usize = 100_000;
/// Maximum number of members in a digest or a delta.
pub(crate) const MEMBERS_MAX: usize = 4_096;
/// Maximum length of the name of a member or cluster, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 256;
/// Maximum size of a key with its value, in bytes. chitchat can send no larger pair. One of almost this
/// size travels in a datagram of its own, before or after the other members' values.
pub(super) const KEY_VALUE_BYTES_MAX: usize = 65_440;
/// Maximum version and heartbeat. They count up from 1 by a few hundred per second, so no honest one
/// gets here. chitchat adds 1 to them without an overflow check.
pub(super) const COUNT_MAX: u64 = u64::MAX / 2;

/// Maximum size of the own digest to which members are added, in bytes. It is below
/// [`SYN_DIGEST_BYTES_MAX`], so that a member goes on with those that it knows.
pub(super) const DIGEST_BYTES_MAX: usize = 60_000;
/// Maximum size of the own digest for which a SYN is answered, in bytes. chitchat panics at 65,403,
/// with 100 bytes left for its answer. The differences cover members that compress worse together.
pub(super) const SYN_DIGEST_BYTES_MAX: usize = 64_000;

/// The type of a message. A round is SYN, SYN-ACK, ACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageKind {
    /// Starts a round.
    Syn,
    SynAck,
    Ack,
    /// Answers a SYN of another cluster.
    BadCluster,
}

impl MessageKind {
    /// The code of a SYN on the wire.
    pub(super) const SYN: u8 = 0;

    /// Decodes the type of a message.
    pub(super) fn from_code(code: u8) -> Option<Self> {
        match code {
            Self::SYN => Some(Self::Syn),
            1 => Some(Self::SynAck),
            2 => Some(Self::Ack),
            3 => Some(Self::BadCluster),
            _ => None,
        }
    }

    /// Returns `true` if the message begins with a digest.
    pub(super) fn has_digest(self) -> bool {
        matches!(self, Self::Syn | Self::SynAck)
    }
}
