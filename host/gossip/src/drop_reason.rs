//! The reasons to drop a datagram, which metrics and log lines name.

/// The reason to drop a datagram. Nothing of it was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum DropReason {
    /// The head is not that of chitchat 0.10 to 0.13.
    NotChitchat,
    /// The message is too short or too long, or a field is invalid.
    Malformed,
    /// The compressed parts inflate to more bytes than a message may have.
    Inflated,
    /// The message names more members than a cluster may have.
    TooManyMembers,
    /// The delta has too many operations.
    TooManyOps,
    /// The name of a member or of the cluster is too long.
    LongName,
    /// A key and its value are too long.
    LargeValue,
    /// A key begins with a multi-byte character, which chitchat would split and panic.
    BadKey,
    /// The message is of another cluster.
    OtherCluster,
    /// The sender is a member of another cluster: it refused a message of this one.
    Refused,
    /// The delta names no member, or one member twice.
    BadMember,
    /// A version does not increase, or a version or heartbeat is too large.
    BadVersion,
    /// The delta or digest has a newer state of this member than it has sent: another member
    /// impersonates it, and peers believe that. This member needs a new generation.
    AboutSelf,
    /// The delta has state that this member has sent itself: a peer answered an old message. Harmless.
    EchoesSelf,
    /// The states of all members take their part of `limits.gossip_bytes`, as counted. The message is accepted when it
    /// comes again, or without the values that do not fit.
    StateFull,
    /// The digest of all members is too large for an answer, or has no room for the members of this message, which
    /// is accepted without them.
    DigestFull,
    /// The size or head is not that of an encrypted datagram: plain gossip, other software, or a later
    /// version.
    NotSealed,
    /// The key is not in the keyring.
    UnknownKey,
    /// The tag is invalid: the sender has another `cluster_id`, or the datagram was altered or made without the key.
    Forged,
    /// The time of sending is too old, or too far ahead.
    Stale,
    /// The message was received before.
    Replayed,
    /// The fragment is invalid, or does not match the one received before.
    BadFragment,
    /// The fragment was received twice while the other one is missing.
    RepeatedFragment,
    /// The other fragment did not arrive in time, or newer fragments replaced this one.
    Incomplete,
    /// The datagram was lost between the two sockets on loopback.
    Loopback,
    /// The message to send could not be encrypted.
    Unsealed,
    /// The system did not send the datagram.
    Unsent,
    /// chitchat's socket did not write the message to send.
    Unwritten,
}
