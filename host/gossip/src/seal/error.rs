//! Errors of encryption and decryption.

use super::format::PAYLOAD_BYTES_MAX;

/// An error encrypting a message. The message is not sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    /// The message is larger than any peer could receive.
    #[error("a gossip message takes {bytes} bytes, the limit is {PAYLOAD_BYTES_MAX}")]
    TooLarge {
        /// Size of the message.
        bytes: usize,
    },
    /// The system gives no random bytes. A nonce that repeats would reveal messages.
    #[error("the system gives no random bytes for a nonce")]
    Random {
        /// Error of the system.
        source: getrandom::Error,
    },
    /// The cipher failed, which happens only for sizes of many GiB.
    #[error("the cipher cannot encrypt a gossip message")]
    Cipher,
}

/// The reason to drop a datagram. Fragments that were kept before are unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum OpenError {
    /// The size or head is not that of an encrypted datagram: plain gossip, other software, or a later
    /// version.
    NotSealed,
    /// The key is not in the keyring.
    UnknownKey,
    /// The tag is invalid: changed in transit, made without the key, or of another cluster.
    Forged,
    /// The time of sending is too old, or too far ahead.
    Stale,
    /// The fragment is invalid, or does not match the one received before.
    BadFragment,
    /// The fragment was received twice while the other one is missing.
    RepeatedFragment,
}

impl OpenError {
    /// Returns the name of the reason in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NotSealed => "not_sealed",
            Self::UnknownKey => "unknown_key",
            Self::Forged => "forged",
            Self::Stale => "stale",
            Self::BadFragment => "bad_fragment",
            Self::RepeatedFragment => "repeated_fragment",
        }
    }
}
