//! The kind of a message, and the reasons to reject one.

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

/// The reason to reject a message. Nothing of it was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Rejection {
    /// The head is not that of chitchat 0.10 to 0.13.
    NotChitchat,
    /// The message is too short or too long, or a field is invalid.
    Malformed,
    /// The compressed parts inflate to more than `INFLATED_BYTES_MAX`.
    Inflated,
    /// The message names more than `MEMBERS_MAX` members.
    TooManyMembers,
    /// The delta has more than `OPS_MAX` operations.
    TooManyOps,
    /// A name has more than `NAME_BYTES_MAX` bytes.
    LongName,
    /// A key and its value have more than `KEY_VALUE_BYTES_MAX` bytes.
    LargeValue,
    /// A key begins with a multi-byte character, which chitchat would split and panic.
    BadKey,
    /// The delta names no member, or one member twice.
    BadMember,
    /// A version does not increase, or a version or heartbeat is above `COUNT_MAX`.
    BadVersion,
    /// The delta or digest has a newer state of this member than it has sent: another member
    /// impersonates it, and peers believe that. This member needs a new generation.
    AboutSelf,
    /// The delta has state that this member has sent itself: a peer answered an old message. Harmless.
    EchoesSelf,
    /// The digest of all members would be too large for an answer, or to be sent.
    DigestFull,
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

impl Rejection {
    /// Returns the name of the reason in metrics.
    pub(crate) fn as_str(self) -> &'static str {
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
