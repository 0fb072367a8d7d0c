//! The layout of an encrypted datagram, version 1.

use crate::keyring::KEY_ID_BYTES;

/// Maximum size of a datagram over UDP and IPv4.
pub(super) const DATAGRAM_BYTES_MAX: usize = 65_507;
/// Maximum size of a message: what chitchat puts into a datagram.
pub(super) const PAYLOAD_BYTES_MAX: usize = DATAGRAM_BYTES_MAX;
/// Maximum difference between the time of sending and the local clock. Older datagrams are replays.
/// Larger differences between clocks need an operator.
pub(super) const AGE_MS_MAX: u64 = 2 * 60 * 1000;

pub(super) const MAGIC: [u8; 2] = *b"ec";
pub(super) const VERSION: u8 = 1;
/// Size of magic, version and key id: authenticated, not encrypted.
pub(super) const HEAD_BYTES: usize = MAGIC.len() + 1 + KEY_ID_BYTES;
pub(super) const NONCE_BYTES: usize = 24;
pub(super) const TAG_BYTES: usize = 16;
/// Size of time, message id, fragment index and number of fragments: encrypted before the fragment.
pub(super) const PREFIX_BYTES: usize = 8 + 8 + 1 + 1;
/// Size that encryption adds to a payload.
pub(super) const OVERHEAD_BYTES: usize = HEAD_BYTES + NONCE_BYTES + PREFIX_BYTES + TAG_BYTES;
/// Maximum size of a payload in a single datagram.
pub(super) const WHOLE_BYTES_MAX: usize = DATAGRAM_BYTES_MAX - OVERHEAD_BYTES;
/// Size of the larger fragment of the largest payload.
pub(super) const FRAGMENT_BYTES_MAX: usize = PAYLOAD_BYTES_MAX.div_ceil(2);

/// The fields that all fragments of a message share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MessageHeader {
    pub(super) sent_ms: u64,
    pub(super) id: u64,
}

impl MessageHeader {
    /// Decodes a plaintext: the header, the index and number of fragments, and the fragment.
    pub(super) fn decode(plaintext: &[u8]) -> Option<(Self, [u8; 2], &[u8])> {
        let (sent_ms, rest) = plaintext.split_first_chunk()?;
        let (id, rest) = rest.split_first_chunk()?;
        let (position, payload) = rest.split_first_chunk()?;
        let header = Self {
            sent_ms: u64::from_le_bytes(*sent_ms),
            id: u64::from_le_bytes(*id),
        };
        Some((header, *position, payload))
    }
}
