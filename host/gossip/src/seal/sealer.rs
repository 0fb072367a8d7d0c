//! Encryption of messages.

use chacha20poly1305::XNonce;
use chacha20poly1305::aead::AeadInOut;

use super::format::{
    MAGIC, MessageHeader, NONCE_BYTES, OVERHEAD_BYTES, PAYLOAD_BYTES_MAX, VERSION, WHOLE_BYTES_MAX,
};
use crate::keyring::{GossipKey, SharedKeyring};

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

    /// Encrypts one fragment. `position` is its index and the number of fragments.
    pub(super) fn seal_fragment(
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
        datagram.extend_from_slice(&key.id().to_bytes());
        let associated = [datagram.as_slice(), self.cluster_id.as_bytes()].concat();
        datagram.extend_from_slice(&nonce);
        let clear_bytes = datagram.len();
        datagram.extend_from_slice(&header.sent_ms.to_le_bytes());
        datagram.extend_from_slice(&header.id.to_le_bytes());
        datagram.extend_from_slice(&position);
        datagram.extend_from_slice(fragment);
        let (_, secret) = datagram.split_at_mut(clear_bytes);
        let tag = key
            .cipher()
            .encrypt_inout_detached(&XNonce::from(nonce), &associated, secret.into())
            .map_err(|_| SealError::Cipher)?;
        datagram.extend_from_slice(&tag);
        Ok(datagram)
    }
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], SealError> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|source| SealError::Random { source })?;
    Ok(bytes)
}
