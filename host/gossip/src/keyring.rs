//! The keys that seal gossip, as an operator keeps them in a file.
//!
//! A ring holds several keys because a cluster cannot change its key at one stroke: first every
//! agent learns the new key, then every agent seals with it, then the old one is struck out. The
//! keys themselves leave this file only inside a cipher. No error, no log line and no `Debug` ever
//! shows one: they are told apart by ids that say nothing about them.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

/// The largest key file: eight keys take less than half a KiB, the rest is room for comments.
const FILE_BYTES_MAX: u64 = 16 * 1024;
/// The most keys of a ring. A rotation needs two, one that was interrupted a few more.
const KEYS_MAX: usize = 8;
/// The size of a key of XChaCha20-Poly1305.
const KEY_BYTES: usize = 32;
/// The length of a key as text.
const KEY_TEXT_BYTES: usize = 44;
/// The size of a key's id: enough to tell eight keys apart.
const KEY_ID_BYTES: usize = 4;
/// What is hashed before the key. Whoever hashes keys for another purpose gets other values.
const KEY_ID_CONTEXT: &[u8] = b"edge-cache gossip key id";

/// The keys of a cluster's gossip: the first one seals, all of them open. Clones share the keys.
#[derive(Clone)]
pub struct Keyring {
    /// At least one, each with an id of its own.
    keys: Arc<[GossipKey]>,
}

/// Names a key without giving it away: the beginning of a hash, shown as eight hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; KEY_ID_BYTES]);

/// One key, ready for use.
pub(super) struct GossipKey {
    id: KeyId,
    cipher: XChaCha20Poly1305,
}

/// Why there is no ring. A ring that was in use before is still in use.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The file could not be read.
    #[error("cannot read the gossip keys in {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The path leads to a directory, a pipe or a device, which might never end.
    #[error("the gossip keys must be in a regular file, which {} is not", path.display())]
    NotAFile {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The text is over the limit, so it is no list of keys.
    #[error("a list of gossip keys takes at most {limit} bytes")]
    TooLong {
        /// How many bytes are allowed.
        limit: u64,
    },
    /// The file is not UTF-8, so it is no list of keys.
    #[error("a list of gossip keys must be text, a key a line")]
    NotText,
    /// A line is neither a key nor a comment nor empty.
    #[error(
        "line {line} of the gossip keys must be the base64 of {KEY_BYTES} bytes: \
         {KEY_TEXT_BYTES} characters with the padding"
    )]
    NotAKey {
        /// The line, counted from 1.
        line: usize,
    },
    /// A key stands twice, or two keys happen to have one id and could not be told apart.
    #[error("line {line} of the gossip keys repeats the key of line {first}: each may stand once")]
    Repeated {
        /// The line, counted from 1.
        line: usize,
        /// Where the key stands first.
        first: usize,
    },
    /// There are too many keys.
    #[error("line {line} of the gossip keys is one too many: at most {KEYS_MAX} are allowed")]
    TooMany {
        /// The line of the first key too many, counted from 1.
        line: usize,
    },
    /// There is nothing to seal with.
    #[error("the gossip keys are empty: at least one key is needed")]
    Empty,
    /// The system has no random bytes to give. No key was made.
    #[error("the system gives no random bytes for a gossip key")]
    Random {
        /// What the system said.
        source: getrandom::Error,
    },
}

impl Keyring {
    /// RecordReading a ring from a file: a key a line, in base64; lines that are empty or begin with `#`
    /// do not count.
    ///
    /// # Errors
    ///
    /// Any [`KeyringError`] but [`KeyringError::Random`].
    pub fn read(path: &Path) -> Result<Self, KeyringError> {
        let failed = |source| KeyringError::Read {
            path: path.to_owned(),
            source,
        };
        // Asked before the file is opened: to open a pipe is to wait for its other end.
        if !fs::metadata(path).map_err(failed)?.is_file() {
            return Err(KeyringError::NotAFile {
                path: path.to_owned(),
            });
        }
        let file = File::open(path).map_err(failed)?;
        let text = read_bounded(file).map_err(failed)?;
        check_length(text.len())?;
        let text = std::str::from_utf8(&text).map_err(|_| KeyringError::NotText)?;
        Self::parse(text)
    }

    /// RecordReading a ring from a text as it stands in a file.
    ///
    /// # Errors
    ///
    /// Those of [`Keyring::read`] that concern the content.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        check_length(text.len())?;
        let mut keys: Vec<(usize, GossipKey)> = Vec::new();
        for (line, content) in (1_usize..).zip(text.lines().map(str::trim)) {
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let key = GossipKey::parse(content).ok_or(KeyringError::NotAKey { line })?;
            if let Some((first, _)) = keys.iter().find(|(_, other)| other.id == key.id) {
                let first = *first;
                return Err(KeyringError::Repeated { line, first });
            }
            if keys.len() >= KEYS_MAX {
                return Err(KeyringError::TooMany { line });
            }
            keys.push((line, key));
        }
        if keys.is_empty() {
            return Err(KeyringError::Empty);
        }
        Ok(Self {
            keys: keys.into_iter().map(|(_, key)| key).collect(),
        })
    }

    /// Makes a new key from the system's randomness and gives its line, without a line break.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Random`].
    pub fn generate() -> Result<String, KeyringError> {
        let mut key = Zeroizing::new([0_u8; KEY_BYTES]);
        getrandom::fill(key.as_mut_slice()).map_err(|source| KeyringError::Random { source })?;
        Ok(STANDARD.encode(key.as_slice()))
    }

    /// The ids of the keys; the first one's is that of the key that seals.
    pub fn key_ids(&self) -> impl ExactSizeIterator<Item = KeyId> + '_ {
        self.keys.iter().map(|key| key.id)
    }

    /// The key that seals.
    pub(super) fn sealing(&self) -> Option<&GossipKey> {
        self.keys.first()
    }

    /// The key that opens what was sealed with it.
    pub(super) fn opening(&self, id: KeyId) -> Option<&GossipKey> {
        self.keys.iter().find(|key| key.id == id)
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
    /// The size of an id in a datagram.
    pub(super) const BYTES: usize = KEY_ID_BYTES;

    /// The id as it travels.
    pub(super) fn to_bytes(self) -> [u8; KEY_ID_BYTES] {
        self.0
    }

    /// The id that has travelled.
    pub(super) fn from_bytes(bytes: [u8; KEY_ID_BYTES]) -> Self {
        Self(bytes)
    }

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
    pub(super) fn id(&self) -> KeyId {
        self.id
    }

    pub(super) fn cipher(&self) -> &XChaCha20Poly1305 {
        &self.cipher
    }

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

/// RecordReading at most one byte more than a list of keys may have.
fn read_bounded(file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    let limit = FILE_BYTES_MAX.saturating_add(1);
    // All of it at once: a buffer that grows leaves copies of keys behind.
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(limit).unwrap_or(0)));
    file.take(limit).read_to_end(&mut text)?;
    Ok(text)
}

fn check_length(bytes: usize) -> Result<(), KeyringError> {
    if u64::try_from(bytes).is_ok_and(|bytes| bytes <= FILE_BYTES_MAX) {
        return Ok(());
    }
    Err(KeyringError::TooLong {
        limit: FILE_BYTES_MAX,
    })
}
