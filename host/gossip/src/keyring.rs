//! The keys that encrypt gossip, parsed from an operator's list.
//!
//! A keyring holds several keys because a cluster cannot change its key at once. First every agent
//! gets the new key for decryption, then every agent encrypts with it, then the old key is removed.
//! Keys leave this module only inside a cipher. Errors, log lines and `Debug` show key ids, which
//! reveal nothing about the keys.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

/// Maximum size of a list of keys. Eight keys take less than half a KiB, the rest is for comments.
const LIST_BYTES_MAX: usize = 16 * 1024;
/// Maximum number of keys. A rotation needs two, an interrupted one a few more.
const KEYS_MAX: usize = 8;
/// Size of a key of XChaCha20-Poly1305.
const KEY_BYTES: usize = 32;
/// Length of a key in base64.
const KEY_TEXT_BYTES: usize = 44;
/// Size of a key id, enough to distinguish eight keys.
pub(crate) const KEY_ID_BYTES: usize = 4;
/// Prefix of the hashed key, so that hashes for other purposes differ.
const KEY_ID_CONTEXT: &[u8] = b"edge-cache gossip key id";

/// The keys of a cluster: the first one encrypts, all of them decrypt. Clones share the keys.
#[derive(Clone)]
pub struct Keyring {
    /// At least one key. Key ids are unique.
    keys: Arc<[GossipKey]>,
}

/// The result of replacing the keyring in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// The keys are those of before, in the same order.
    Unchanged,
    /// The keys have changed.
    Replaced,
}

/// The keyring in use. Replacing it takes effect with the next datagram.
pub(crate) type SharedKeyring = Arc<ArcSwap<Keyring>>;

/// The id of a key: the beginning of its hash, shown as eight hex digits. Does not reveal the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub(crate) [u8; KEY_ID_BYTES]);

/// A key with its cipher.
pub(crate) struct GossipKey {
    pub(crate) id: KeyId,
    pub(crate) cipher: XChaCha20Poly1305,
}

/// An error reading or generating keys. The keyring in use is unchanged. The text names a line, and shows no key.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct KeyringError(String);

impl Keyring {
    /// Parses the content of a key file: one key per line, in base64. Empty lines and lines that begin with `#` are
    /// ignored.
    ///
    /// # Errors
    ///
    /// The text is too long, or holds a line that is no key, a key twice, too many keys, or none.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        let refused = |text| Err(KeyringError(text));
        if text.len() > LIST_BYTES_MAX {
            return refused(format!(
                "a list of gossip keys takes at most {LIST_BYTES_MAX} bytes"
            ));
        }
        let mut keys: Vec<(usize, GossipKey)> = Vec::new();
        for (line, content) in (1_usize..).zip(text.lines().map(str::trim)) {
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let line_of = format!("line {line} of the gossip keys");
            let Some(key) = GossipKey::parse(content) else {
                return refused(format!(
                    "{line_of} must be the base64 of {KEY_BYTES} bytes: {KEY_TEXT_BYTES} characters with the padding"
                ));
            };
            if let Some((first, _)) = keys.iter().find(|(_, other)| other.id == key.id) {
                return refused(format!("{line_of} repeats the key of line {first}"));
            }
            if keys.len() >= KEYS_MAX {
                return refused(format!("{line_of} exceeds the limit of {KEYS_MAX} keys"));
            }
            keys.push((line, key));
        }
        if keys.is_empty() {
            return refused("the gossip keys are empty: at least one key is needed".to_string());
        }
        Ok(Self {
            keys: keys.into_iter().map(|(_, key)| key).collect(),
        })
    }

    /// Generates a key from the system's random bytes. Returns its line without a line break.
    ///
    /// # Errors
    ///
    /// The system gives no random bytes.
    pub fn generate() -> Result<String, KeyringError> {
        let mut key = Zeroizing::new([0_u8; KEY_BYTES]);
        getrandom::fill(key.as_mut_slice()).map_err(|error| {
            KeyringError(format!(
                "the system gives no random bytes for a gossip key: {error}"
            ))
        })?;
        Ok(STANDARD.encode(key.as_slice()))
    }

    /// Returns the key ids. The first one is that of the encrypting key.
    pub fn key_ids(&self) -> impl ExactSizeIterator<Item = KeyId> + '_ {
        self.keys.iter().map(|key| key.id)
    }

    pub(crate) fn sealing(&self) -> Option<&GossipKey> {
        self.keys.first()
    }

    pub(crate) fn opening(&self, id: KeyId) -> Option<&GossipKey> {
        self.keys.iter().find(|key| key.id == id)
    }
}

/// Names the keys by their ids, the encrypting one first.
impl fmt::Display for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.keys.len() == 1 {
            "key "
        } else {
            "keys "
        })?;
        for (index, id) in self.key_ids().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{id}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys: ", self.keys.len())?;
        f.debug_list().entries(self.key_ids()).finish()?;
        f.write_str(")")
    }
}

impl KeyId {
    fn of(key: &[u8]) -> Self {
        let hash = Sha256::new()
            .chain_update(KEY_ID_CONTEXT)
            .chain_update(key)
            .finalize();
        let mut id = [0; KEY_ID_BYTES];
        id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Self(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl GossipKey {
    fn parse(text: &str) -> Option<Self> {
        if text.len() != KEY_TEXT_BYTES {
            return None;
        }
        let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
        let key = Zeroizing::new(<[u8; KEY_BYTES]>::try_from(bytes.as_slice()).ok()?);
        let cipher_key: &Key = (&*key).into();
        Some(Self {
            id: KeyId::of(key.as_slice()),
            cipher: XChaCha20Poly1305::new(cipher_key),
        })
    }
}
