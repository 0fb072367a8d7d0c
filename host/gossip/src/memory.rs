//! Storage of used generations and of peer addresses, which must survive a restart.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use tokio::task;

/// An error of the storage.
pub type MemoryError = Box<dyn Error + Send + Sync>;

/// The last known address of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownAddress {
    /// Node id of the peer.
    pub node_id: u64,
    /// Gossip address.
    pub address: SocketAddr,
    /// Time at which the peer was last live, in milliseconds since the Unix epoch.
    pub seen_ms: u64,
}

/// Storage for one node of one cluster. Its functions may block: they run on threads for blocking
/// work.
pub trait GossipMemory: fmt::Debug + Send + Sync {
    /// Returns the next generation and stores it as used.
    ///
    /// The generation is `now`, in nanoseconds since the Unix epoch, or the last one plus one if that
    /// is higher.
    ///
    /// # Errors
    ///
    /// If the generation was not stored. The node does not join then: reusing a generation would mix
    /// its state with that of its earlier membership.
    fn next_generation(&self, now: u64) -> Result<u64, MemoryError>;

    /// Returns the addresses that were stored last.
    ///
    /// # Errors
    ///
    /// If the addresses cannot be read. The node runs without them.
    fn addresses(&self) -> Result<Vec<KnownAddress>, MemoryError>;

    /// Replaces the stored addresses.
    ///
    /// # Errors
    ///
    /// If the addresses were not stored. The previous ones are kept.
    fn remember(&self, addresses: &[KnownAddress]) -> Result<(), MemoryError>;
}

/// Storage for the lifetime of the process. Enough for a node whose id is not reused, or whose clock
/// never goes back.
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

/// Runs a storage operation on a thread for blocking work.
pub(crate) async fn run_blocking<T: Send + 'static>(
    operation: impl FnOnce() -> Result<T, MemoryError> + Send + 'static,
) -> Result<T, MemoryError> {
    task::spawn_blocking(operation).await?
}
