//! The checks that data of peers passes, without a socket, for tests from outside this crate.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use chitchat::ChitchatId;
use edge_cache_core::PeerInfo;

use crate::clock::now_ms;
use crate::config::Protocol;
use crate::info::{InfoError, NodeRecord};
use crate::keyring::Keyring;
use crate::seal::{Opener, Sealer};
use crate::validator::{MessageValidator, StateBudget};

/// The other side of all messages.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

/// The way of a datagram to chitchat: it is decrypted, and its message is checked.
pub struct DatagramDoor {
    sealer: Sealer,
    opener: Opener,
    validator: MessageValidator,
}

impl DatagramDoor {
    /// Creates the way to the member of a node, whose states may take `state_bytes`.
    #[must_use]
    pub fn new(node_id: u64, cluster_id: &str, keyring: Keyring, state_bytes: usize) -> Self {
        let keyring = Arc::new(ArcSwap::from_pointee(keyring));
        let own = ChitchatId::new(PeerInfo::key(node_id), 1, PEER);
        let states = Arc::new(StateBudget::new(state_bytes));
        Self {
            sealer: Sealer::new(Arc::clone(&keyring), cluster_id),
            opener: Opener::new(keyring, cluster_id),
            validator: MessageValidator::new(&own, cluster_id, Protocol::V0.into(), states),
        }
    }

    /// Encrypts a message. Returns its datagrams; none for a message that is too large.
    #[must_use]
    pub fn seal(&self, message: &[u8]) -> Vec<Vec<u8>> {
        self.sealer.seal(message, now_ms()).unwrap_or_default()
    }

    /// Encrypts one fragment of the message with this id. `position` is its index and the number of fragments, and may
    /// be wrong, as that of a faulty member. Returns nothing if the system gives no random bytes.
    #[must_use]
    pub fn seal_fragment(&self, id: u64, position: [u8; 2], fragment: &[u8]) -> Option<Vec<u8>> {
        self.sealer.seal_any(id, position, fragment, now_ms()).ok()
    }

    /// Decrypts a datagram. Returns the message, or `None` if its other fragment is missing.
    ///
    /// # Errors
    ///
    /// The name of the reason to drop the datagram.
    pub fn open(&mut self, datagram: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
        let opened = self
            .opener
            .open(datagram, PEER, now_ms(), Instant::now())
            .map_err(<&str>::from)?;
        Ok(opened.map(<[u8]>::to_vec))
    }

    /// Checks a message. Returns what chitchat receives of it.
    ///
    /// # Errors
    ///
    /// The name of the reason to drop the message.
    pub fn check(&mut self, message: &[u8]) -> Result<Vec<u8>, &'static str> {
        self.validator.check(PEER, message).map_err(<&str>::from)?;
        let rewritten = self.validator.take_rewritten();
        Ok(rewritten.unwrap_or_else(|| message.to_vec()))
    }
}

impl fmt::Debug for DatagramDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramDoor").finish_non_exhaustive()
    }
}

/// Decodes the record of a node. Returns its info, and the record encoded again.
///
/// # Errors
///
/// Any [`InfoError`].
pub fn reencode_info(encoded: &str) -> Result<(PeerInfo, Result<String, InfoError>), InfoError> {
    let record = NodeRecord::decode(encoded)?;
    let again = record.encode();
    Ok((record.info, again))
}
