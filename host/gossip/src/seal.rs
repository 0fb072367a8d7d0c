//! Encrypted datagrams: gossip that only holders of the cluster's key can read or write.
//!
//! A datagram is `"ec"`, the version, the key id and a random nonce, followed by the ciphertext and
//! tag of XChaCha20-Poly1305. The plaintext is the time of sending, a random message id, the index and
//! number of fragments, and the fragment. Version, key id and the name of the cluster are
//! authenticated too, so clusters that share a key do not accept each other's datagrams.
//!
//! chitchat fills a datagram to the last byte, and encryption adds some: a message that no longer fits
//! is sent as two fragments. There is no fallback to plain datagrams. A message is accepted once: its
//! id is remembered for as long as its time of sending is accepted.
//!
//! - `format`: the layout of a datagram. `reassembly`: joins fragments. `replays`: remembers message ids.

use std::net::SocketAddr;
use std::time::Instant;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{Tag, XNonce};

use crate::clock_offsets::ClockOffsets;
use crate::drop_reason::DropReason;
use crate::keyring::{GossipKey, KeyId, SharedKeyring};
use format::{
    AGE_MS_MAX, DATAGRAM_BYTES_MAX, FRAGMENT_BYTES_MAX, HEAD_BYTES, MAGIC, MessageHeader,
    NONCE_BYTES, OVERHEAD_BYTES, PAYLOAD_BYTES_MAX, PREFIX_BYTES, TAG_BYTES, VERSION,
    WHOLE_BYTES_MAX,
};
use reassembly::{Fragment, Reassembler};
use replays::Replays;

mod format;
mod reassembly;
mod replays;
#[cfg(test)]
mod tests;

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

/// Encrypts messages.
#[derive(Debug)]
pub(crate) struct Sealer {
    keyring: SharedKeyring,
    cluster_id: Box<str>,
}

impl Sealer {
    pub(crate) fn new(keyring: SharedKeyring, cluster_id: &str) -> Self {
        Self {
            keyring,
            cluster_id: cluster_id.into(),
        }
    }

    /// Encrypts a message with the first key. Returns one or two datagrams, in the order of sending.
    ///
    /// `now_ms` is in milliseconds since the Unix epoch.
    pub(crate) fn seal(&self, payload: &[u8], now_ms: u64) -> Result<Vec<Vec<u8>>, SealError> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            let bytes = payload.len();
            return Err(SealError::TooLarge { bytes });
        }
        let keyring = self.keyring.load();
        let key = keyring.sealing().ok_or(SealError::Cipher)?;
        let header = MessageHeader {
            sent_ms: now_ms,
            id: u64::from_le_bytes(random()?),
        };
        if payload.len() <= WHOLE_BYTES_MAX {
            return Ok(vec![self.seal_fragment(key, header, [0, 1], payload)?]);
        }
        let (head, tail) = payload.split_at(payload.len().div_ceil(2));
        Ok(vec![
            self.seal_fragment(key, header, [0, 2], head)?,
            self.seal_fragment(key, header, [1, 2], tail)?,
        ])
    }

    /// Encrypts one fragment of a message that nothing was checked of, as a faulty member may.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn seal_any(
        &self,
        id: u64,
        position: [u8; 2],
        fragment: &[u8],
        now_ms: u64,
    ) -> Result<Vec<u8>, SealError> {
        let keyring = self.keyring.load();
        let key = keyring.sealing().ok_or(SealError::Cipher)?;
        let sent_ms = now_ms;
        self.seal_fragment(key, MessageHeader { sent_ms, id }, position, fragment)
    }

    /// Encrypts one fragment. `position` is its index and the number of fragments.
    fn seal_fragment(
        &self,
        key: &GossipKey,
        header: MessageHeader,
        position: [u8; 2],
        fragment: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let nonce: [u8; NONCE_BYTES] = random()?;
        let mut datagram = Vec::with_capacity(fragment.len().saturating_add(OVERHEAD_BYTES));
        datagram.extend_from_slice(&MAGIC);
        datagram.push(VERSION);
        datagram.extend_from_slice(&key.id.0);
        let associated = [datagram.as_slice(), self.cluster_id.as_bytes()].concat();
        datagram.extend_from_slice(&nonce);
        let clear_bytes = datagram.len();
        datagram.extend_from_slice(&header.sent_ms.to_le_bytes());
        datagram.extend_from_slice(&header.id.to_le_bytes());
        datagram.extend_from_slice(&position);
        datagram.extend_from_slice(fragment);
        let (_, secret) = datagram.split_at_mut(clear_bytes);
        let tag = key
            .cipher
            .encrypt_inout_detached(&XNonce::from(nonce), &associated, secret.into())
            .map_err(|_| SealError::Cipher)?;
        datagram.extend_from_slice(&tag);
        Ok(datagram)
    }
}

/// Decrypts datagrams and reassembles fragments.
#[derive(Debug)]
pub(crate) struct Opener {
    keyring: SharedKeyring,
    /// Associated data: the head of a datagram, and the name of the cluster.
    associated: Vec<u8>,
    /// Plaintext of the last datagram. As large as the largest so far.
    opened: Vec<u8>,
    reassembler: Reassembler,
    replays: Replays,
    /// Offsets of the clocks of authentic datagrams' senders.
    pub(crate) offsets: ClockOffsets,
    /// Key of the last datagram that was decrypted.
    pub(crate) key: Option<KeyId>,
}

impl Opener {
    pub(crate) fn new(keyring: SharedKeyring, cluster_id: &str) -> Self {
        let mut associated = vec![0; HEAD_BYTES];
        associated.extend_from_slice(cluster_id.as_bytes());
        Self {
            keyring,
            associated,
            opened: Vec::new(),
            reassembler: Reassembler::default(),
            replays: Replays::default(),
            offsets: ClockOffsets::default(),
            key: None,
        }
    }

    /// Decrypts a datagram. Returns the message, or `None` if its other fragment is missing.
    ///
    /// `now_ms`, in milliseconds since the Unix epoch, is compared with the sender's time. `now` is
    /// the time for abandoning fragments.
    pub(crate) fn open(
        &mut self,
        datagram: &[u8],
        from: SocketAddr,
        now_ms: u64,
        now: Instant,
    ) -> Result<Option<&[u8]>, DropReason> {
        self.decrypt(datagram)?;
        let (header, position, payload) =
            MessageHeader::decode(&self.opened).ok_or(DropReason::BadFragment)?;
        let ahead = i128::from(header.sent_ms).saturating_sub(i128::from(now_ms));
        let ahead_ms = i64::try_from(ahead).unwrap_or(i64::MAX);
        self.offsets.note(ahead_ms, now);
        if header.sent_ms.abs_diff(now_ms) > AGE_MS_MAX {
            return Err(DropReason::Stale);
        }
        if self.replays.contains(header.id) {
            return Err(DropReason::Replayed);
        }
        let index = match position {
            [0, 1] => {
                self.replays.insert(header.id, now);
                return Ok(Some(payload));
            }
            [index @ (0 | 1), 2] => index,
            _ => return Err(DropReason::BadFragment),
        };
        if payload.is_empty() || payload.len() > FRAGMENT_BYTES_MAX {
            return Err(DropReason::BadFragment);
        }
        let fragment = Fragment {
            from,
            header,
            index,
            payload: payload.into(),
            since: now,
        };
        let joined = self.reassembler.join(fragment)?;
        if joined.is_some() {
            self.replays.insert(header.id, now);
        }
        Ok(joined)
    }

    /// Returns the number of fragments abandoned since the last call: their other fragment did not arrive in
    /// time, or newer fragments replaced them.
    pub(crate) fn take_abandoned(&mut self) -> u64 {
        std::mem::take(&mut self.reassembler.abandoned)
    }

    /// Decrypts a datagram into the buffer.
    fn decrypt(&mut self, datagram: &[u8]) -> Result<(), DropReason> {
        if datagram.len() > DATAGRAM_BYTES_MAX {
            return Err(DropReason::NotSealed);
        }
        let (head, sealed) = datagram
            .split_first_chunk::<HEAD_BYTES>()
            .ok_or(DropReason::NotSealed)?;
        let (nonce, sealed) = sealed
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(DropReason::NotSealed)?;
        let (secret, tag) = sealed
            .split_last_chunk::<TAG_BYTES>()
            .ok_or(DropReason::NotSealed)?;
        let [magic @ .., VERSION, id0, id1, id2, id3] = head else {
            return Err(DropReason::NotSealed);
        };
        if *magic != MAGIC || secret.len() < PREFIX_BYTES {
            return Err(DropReason::NotSealed);
        }
        let keyring = self.keyring.load();
        let key = keyring
            .opening(KeyId([*id0, *id1, *id2, *id3]))
            .ok_or(DropReason::UnknownKey)?;
        self.associated
            .iter_mut()
            .zip(head)
            .for_each(|(to, from)| *to = *from);
        self.opened.resize(secret.len(), 0);
        let buffer = InOutBuf::new(secret, &mut self.opened).map_err(|_| DropReason::Forged)?;
        key.cipher
            .decrypt_inout_detached(
                &XNonce::from(*nonce),
                &self.associated,
                buffer,
                &Tag::from(*tag),
            )
            .map_err(|_| DropReason::Forged)?;
        self.key = Some(key.id);
        Ok(())
    }
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], SealError> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|source| SealError::Random { source })?;
    Ok(bytes)
}
