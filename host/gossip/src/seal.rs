//! Encrypted datagrams: gossip that only holders of the cluster's key can read or write.
//!
//! A datagram is `"ec"`, the version, the key id and a random nonce, followed by the ciphertext and
//! tag of XChaCha20-Poly1305. The plaintext is the time of sending, a random message id, the index and
//! number of fragments, and the fragment. Version, key id and the name of the cluster are
//! authenticated too, so clusters that share a key do not accept each other's datagrams.
//!
//! chitchat fills a datagram to the last byte, and encryption adds some: a message that no longer fits
//! is sent as two fragments. There is no fallback to plain datagrams. A datagram that is replayed
//! within two minutes is accepted again, which is harmless: gossip ignores known updates.
//!
//! - `sealer`: encrypts messages. `opener`: decrypts datagrams.
//! - `format`: the layout of a datagram. `reassembly`: joins fragments.

mod format;
mod opener;
mod reassembly;
mod sealer;
#[cfg(test)]
mod tests;

pub(crate) use opener::Opener;
pub(crate) use sealer::Sealer;
