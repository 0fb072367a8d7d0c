//! Sealed datagrams: gossip that only holders of the cluster's key can read or write.
//!
//! A datagram is `"ec"`, the version, the id of the key, a random nonce, and then what
//! XChaCha20-Poly1305 makes of the time of sending, a random message id, the number of the part, the
//! number of parts and the part itself. What stands before the nonce and the name of the cluster are
//! authenticated with it, so another cluster that uses the same key is another world.
//!
//! chitchat fills a datagram to the last byte, and sealing adds some: what does not fit goes in two
//! parts. Nothing here falls back to plain bytes, opens a socket or asks a clock. A datagram that is
//! replayed within the allowed two minutes opens again: gossip takes news that it has already.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{Tag, XNonce};

use super::keyring::{GossipKey, KeyId, Keyring};
use reassembly::{Fragment, Reassembler};

mod reassembly;
#[cfg(test)]
mod tests;

/// What a datagram can hold over UDP and IPv4.
pub(super) const DATAGRAM_BYTES_MAX: usize = 65_507;
/// The largest payload: what chitchat itself would put into a datagram.
pub(super) const PAYLOAD_BYTES_MAX: usize = DATAGRAM_BYTES_MAX;
/// The most that the time of sending may lie in the past or in the future: older is a replay, and
/// clocks further apart than this need an operator. A peer's clock is trusted no further.
pub(super) const AGE_MS_MAX: u64 = 2 * 60 * 1000;

const MAGIC: [u8; 2] = *b"ec";
const VERSION: u8 = 1;
/// Magic, version and key id: authenticated, not encrypted.
const HEAD_BYTES: usize = MAGIC.len() + 1 + KeyId::BYTES;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// Time, message id, index and count of the part: encrypted before the part.
const PREFIX_BYTES: usize = 8 + 8 + 1 + 1;
/// What sealing adds to a payload.
const OVERHEAD_BYTES: usize = HEAD_BYTES + NONCE_BYTES + PREFIX_BYTES + TAG_BYTES;
/// The largest payload that needs no second datagram.
const WHOLE_BYTES_MAX: usize = DATAGRAM_BYTES_MAX - OVERHEAD_BYTES;
/// The larger half of the largest payload. Bounds what a kept part takes.
const FRAGMENT_BYTES_MAX: usize = PAYLOAD_BYTES_MAX.div_ceil(2);

/// The ring in use, shared with whoever exchanges it while gossip goes on. The next datagram uses
/// the new one.
pub(super) type SharedKeyring = Arc<ArcSwap<Keyring>>;

/// Seals what is sent.
#[derive(Debug)]
pub(super) struct Sealer {
    keyring: SharedKeyring,
    cluster_id: Box<str>,
}

/// Opens what has arrived, and joins parts.
#[derive(Debug)]
pub(super) struct Opener {
    keyring: SharedKeyring,
    /// The authenticated head of a datagram, then the name of the cluster.
    associated: Vec<u8>,
    /// The plaintext of the last datagram. As large as the largest so far.
    opened: Vec<u8>,
    parts: Reassembler,
}

/// The datagrams of one payload, in the order in which to send them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) first: Vec<u8>,
    /// Only for a payload that does not fit a single one.
    pub(super) second: Option<Vec<u8>>,
}

/// Why a payload was not sealed. Nothing may be sent in its place.
#[derive(Debug, thiserror::Error)]
pub(super) enum SealError {
    /// chitchat made a message that no peer could receive.
    #[error("a gossip message takes {bytes} bytes, the limit is {PAYLOAD_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A nonce that is not random could be used twice, which would give the messages away.
    #[error("the system gives no random bytes for a nonce")]
    Random {
        /// What the system said.
        source: getrandom::Error,
    },
    /// The cipher refused, which it does for sizes of many GiB only.
    #[error("the cipher refused a gossip message")]
    Cipher,
}

/// Why a datagram was dropped. Reassembler that were kept before are untouched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum OpenError {
    /// It is too short or too long, or does not begin as ours do: plain gossip, other software, a
    /// later version.
    NotSealed,
    /// It was sealed with a key that is not in the ring.
    UnknownKey,
    /// Its tag is wrong: changed on the way, made without the key, or of another cluster.
    Forged,
    /// It was sent too long ago, or by a clock that is too far ahead.
    Stale,
    /// A part that cannot be one, or that does not fit the one that came before.
    BadFragment,
    /// A part that came twice while its other half is awaited.
    RepeatedFragment,
}

impl Sealer {
    pub(super) fn new(keyring: SharedKeyring, cluster_id: &str) -> Self {
        Self {
            keyring,
            cluster_id: cluster_id.into(),
        }
    }

    /// Seals a payload with the first key of the ring. `now_ms` is the time since the Unix epoch.
    pub(super) fn seal(&self, payload: &[u8], now_ms: u64) -> Result<Sealed, SealError> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            let bytes = payload.len();
            return Err(SealError::TooLarge { bytes });
        }
        let keyring = self.keyring.load();
        let key = keyring.sealing().ok_or(SealError::Cipher)?;
        let message = MessageHeader {
            sent_ms: now_ms,
            id: u64::from_le_bytes(random()?),
        };
        if payload.len() <= WHOLE_BYTES_MAX {
            let first = self.seal_part(key, message, [0, 1], payload)?;
            let second = None;
            return Ok(Sealed { first, second });
        }
        let (head, tail) = payload.split_at(payload.len().div_ceil(2));
        let first = self.seal_part(key, message, [0, 2], head)?;
        let second = Some(self.seal_part(key, message, [1, 2], tail)?);
        Ok(Sealed { first, second })
    }

    fn seal_part(
        &self,
        key: &GossipKey,
        message: MessageHeader,
        place: [u8; 2],
        part: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let nonce: [u8; NONCE_BYTES] = random()?;
        let mut datagram = Vec::with_capacity(part.len().saturating_add(OVERHEAD_BYTES));
        datagram.extend_from_slice(&MAGIC);
        datagram.push(VERSION);
        datagram.extend_from_slice(&key.id().to_bytes());
        let associated = [datagram.as_slice(), self.cluster_id.as_bytes()].concat();
        datagram.extend_from_slice(&nonce);
        let clear_bytes = datagram.len();
        datagram.extend_from_slice(&message.sent_ms.to_le_bytes());
        datagram.extend_from_slice(&message.id.to_le_bytes());
        datagram.extend_from_slice(&place);
        datagram.extend_from_slice(part);
        let (_, secret) = datagram.split_at_mut(clear_bytes);
        let tag = key
            .cipher()
            .encrypt_inout_detached(&XNonce::from(nonce), &associated, secret.into())
            .map_err(|_| SealError::Cipher)?;
        datagram.extend_from_slice(&tag);
        Ok(datagram)
    }
}

impl Sealed {
    /// The datagrams, one or two.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.first.as_slice()).chain(self.second.as_deref())
    }
}

impl Opener {
    pub(super) fn new(keyring: SharedKeyring, cluster_id: &str) -> Self {
        let mut associated = vec![0; HEAD_BYTES];
        associated.extend_from_slice(cluster_id.as_bytes());
        Self {
            keyring,
            associated,
            opened: Vec::new(),
            parts: Reassembler::default(),
        }
    }

    /// Opens a datagram. Gives the payload, or nothing if its other half is still to come.
    ///
    /// `now_ms` is the time since the Unix epoch, by which the sender's is judged; `now` is the one
    /// by which parts are given up.
    pub(super) fn open(
        &mut self,
        datagram: &[u8],
        from: SocketAddr,
        now_ms: u64,
        now: Instant,
    ) -> Result<Option<&[u8]>, OpenError> {
        self.decrypt(datagram)?;
        let (prefix, payload) = self
            .opened
            .split_first_chunk::<PREFIX_BYTES>()
            .ok_or(OpenError::BadFragment)?;
        let (message, place) = MessageHeader::read(prefix);
        if message.sent_ms.abs_diff(now_ms) > AGE_MS_MAX {
            return Err(OpenError::Stale);
        }
        let index = match place {
            [0, 1] => return Ok(Some(payload)),
            [index @ (0 | 1), 2] => index,
            _ => return Err(OpenError::BadFragment),
        };
        let part = Fragment {
            from,
            message,
            index,
            payload,
        };
        self.parts.join(&part, now)
    }

    /// How many parts were given up since the start, because their other half did not come in time
    /// or because newer ones took their place.
    pub(super) fn abandoned(&self) -> u64 {
        self.parts.abandoned()
    }

    /// Puts the plaintext of a datagram into the buffer.
    fn decrypt(&mut self, datagram: &[u8]) -> Result<(), OpenError> {
        if datagram.len() > DATAGRAM_BYTES_MAX {
            return Err(OpenError::NotSealed);
        }
        let (head, sealed) = datagram
            .split_first_chunk::<HEAD_BYTES>()
            .ok_or(OpenError::NotSealed)?;
        let (nonce, sealed) = sealed
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(OpenError::NotSealed)?;
        let (secret, tag) = sealed
            .split_last_chunk::<TAG_BYTES>()
            .ok_or(OpenError::NotSealed)?;
        let [magic @ .., VERSION, id0, id1, id2, id3] = head else {
            return Err(OpenError::NotSealed);
        };
        if *magic != MAGIC || secret.len() < PREFIX_BYTES {
            return Err(OpenError::NotSealed);
        }
        let keyring = self.keyring.load();
        let key = keyring
            .opening(KeyId::from_bytes([*id0, *id1, *id2, *id3]))
            .ok_or(OpenError::UnknownKey)?;
        self.associated
            .iter_mut()
            .zip(head)
            .for_each(|(to, from)| *to = *from);
        self.opened.resize(secret.len(), 0);
        let buffer = InOutBuf::new(secret, &mut self.opened).map_err(|_| OpenError::Forged)?;
        key.cipher()
            .decrypt_inout_detached(
                &XNonce::from(*nonce),
                &self.associated,
                buffer,
                &Tag::from(*tag),
            )
            .map_err(|_| OpenError::Forged)
    }
}

impl OpenError {
    /// The reason's name in metrics.
    pub(super) fn as_str(self) -> &'static str {
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

/// What the parts of a message have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MessageHeader {
    sent_ms: u64,
    id: u64,
}

impl MessageHeader {
    /// The message and the place of a part in it: its index, and how many there are.
    fn read(prefix: &[u8; PREFIX_BYTES]) -> (Self, [u8; 2]) {
        let [
            t0,
            t1,
            t2,
            t3,
            t4,
            t5,
            t6,
            t7, //
            i0,
            i1,
            i2,
            i3,
            i4,
            i5,
            i6,
            i7, //
            index,
            count,
        ] = *prefix;
        let message = Self {
            sent_ms: u64::from_le_bytes([t0, t1, t2, t3, t4, t5, t6, t7]),
            id: u64::from_le_bytes([i0, i1, i2, i3, i4, i5, i6, i7]),
        };
        (message, [index, count])
    }
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], SealError> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|source| SealError::Random { source })?;
    Ok(bytes)
}
