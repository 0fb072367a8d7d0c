//! What a member must not forget: the generations that it has used, and where its peers were.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why something was not remembered.
pub type MemoryError = Box<dyn Error + Send + Sync>;

/// Where a peer was seen last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownAddress {
    /// The peer.
    pub node_id: u64,
    /// Its address in gossip.
    pub address: SocketAddr,
    /// When it was live last, in milliseconds since the Unix epoch.
    pub seen_ms: u64,
}

/// Remembers for one node of one cluster. Its functions may block, and are not called from threads
/// that serve others.
pub trait GossipMemory: fmt::Debug + Send + Sync {
    /// The next generation: `now`, in nanoseconds since the Unix epoch, or one more than the last
    /// where that is higher. When it is answered, it is remembered as used.
    ///
    /// # Errors
    ///
    /// If it could not be remembered. The node must not join with a generation of its own making:
    /// one that is used twice makes a node take over the state of its former life.
    fn next_generation(&self, now: u64) -> Result<u64, MemoryError>;

    /// The addresses that were remembered last.
    ///
    /// # Errors
    ///
    /// If they can't be read; the node does without them then.
    fn addresses(&self) -> Result<Vec<KnownAddress>, MemoryError>;

    /// Replaces the remembered addresses.
    ///
    /// # Errors
    ///
    /// If they were not remembered; those of before are.
    fn remember(&self, addresses: &[KnownAddress]) -> Result<(), MemoryError>;
}

/// Remembers as long as the process lives: enough for a node that never comes back as the same one,
/// and for one whose clock never goes back.
#[derive(Debug, Default)]
pub struct ProcessMemory {
    last: AtomicU64,
}

impl GossipMemory for ProcessMemory {
    fn next_generation(&self, now: u64) -> Result<u64, MemoryError> {
        let next = |last: u64| now.max(last.saturating_add(1));
        let last = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(next(last))
            })
            .unwrap_or_else(|last| last);
        Ok(next(last))
    }

    fn addresses(&self) -> Result<Vec<KnownAddress>, MemoryError> {
        Ok(Vec::new())
    }

    fn remember(&self, _: &[KnownAddress]) -> Result<(), MemoryError> {
        Ok(())
    }
}
