//! Decryption of datagrams.

use std::net::SocketAddr;
use std::time::Instant;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{Tag, XNonce};

use super::format::{
    AGE_MS_MAX, DATAGRAM_BYTES_MAX, FRAGMENT_BYTES_MAX, HEAD_BYTES, MAGIC, MessageHeader,
    NONCE_BYTES, PREFIX_BYTES, TAG_BYTES, VERSION,
};
use super::reassembly::{Fragment, Reassembler};
use crate::drop_reason::DropReason;
use crate::keyring::{KeyId, SharedKeyring};

/// Decrypts datagrams and reassembles fragments.
#[derive(Debug)]
pub(crate) struct Opener {
    keyring: SharedKeyring,
    /// Associated data: the head of a datagram, and the name of the cluster.
    associated: Vec<u8>,
    /// Plaintext of the last datagram. As large as the largest so far.
    opened: Vec<u8>,
    reassembler: Reassembler,
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
        if header.sent_ms.abs_diff(now_ms) > AGE_MS_MAX {
            return Err(DropReason::Stale);
        }
        let index = match position {
            [0, 1] => return Ok(Some(payload)),
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
        self.reassembler.join(fragment)
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
            .opening(KeyId::from_bytes([*id0, *id1, *id2, *id3]))
            .ok_or(DropReason::UnknownKey)?;
        self.associated
            .iter_mut()
            .zip(head)
            .for_each(|(to, from)| *to = *from);
        self.opened.resize(secret.len(), 0);
        let buffer = InOutBuf::new(secret, &mut self.opened).map_err(|_| DropReason::Forged)?;
        key.cipher()
            .decrypt_inout_detached(
                &XNonce::from(*nonce),
                &self.associated,
                buffer,
                &Tag::from(*tag),
            )
            .map_err(|_| DropReason::Forged)
    }
}
