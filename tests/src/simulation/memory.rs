//! Memory of simulated nodes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use edge_cache_host::NodeId;
use edge_cache_host::gossip::{GossipMemory, KnownAddress, MemoryError};

use super::address;

/// Memory of a node across lives, in place of the store.
#[derive(Debug, Default)]
pub(super) struct Memory {
    kept: Mutex<Kept>,
    /// By how many nanoseconds the node's clock is behind.
    pub(super) clock_back: AtomicU64,
}

#[derive(Debug, Default)]
struct Kept {
    generation: u64,
    addresses: Vec<KnownAddress>,
}

impl Memory {
    /// Begins with the addresses of other nodes, seen just now.
    pub(super) fn know(&self, own: NodeId, node_ids: &[NodeId]) {
        let mut kept = self.kept();
        if !kept.addresses.is_empty() {
            return;
        }
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        kept.addresses = node_ids
            .iter()
            .filter(|node_id| **node_id != own)
            .map(|node_id| KnownAddress {
                node_id: *node_id,
                address: address(*node_id),
                seen_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            })
            .collect();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GossipMemory for Memory {
    fn next_generation(&self, now: u64) -> Result<u64, MemoryError> {
        let now = now.saturating_sub(self.clock_back.load(Ordering::Relaxed));
        let mut kept = self.kept();
        kept.generation = now.max(kept.generation.saturating_add(1));
        Ok(kept.generation)
    }

    fn addresses(&self) -> Result<Vec<KnownAddress>, MemoryError> {
        Ok(self.kept().addresses.clone())
    }

    fn remember(&self, addresses: &[KnownAddress]) -> Result<(), MemoryError> {
        self.kept().addresses = addresses.to_vec();
        Ok(())
    }
}
