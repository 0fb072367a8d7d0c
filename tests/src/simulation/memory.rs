//! Memory of simulated nodes.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use edge_cache_host::NodeId;
use edge_cache_host::gossip::{GossipMemory, KnownPeer, MemoryError, RememberedMembers, UsedLives};
use edge_cache_host::sandbox::WallClock;

use super::address;

/// Memory of a node across lives, in place of the store.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) kept: Mutex<Kept>,
    /// The node's clock.
    pub(super) clock: Clock,
}

/// A clock that is set by steps.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock {
    /// By how many milliseconds it is ahead.
    pub(super) off_ms: Arc<AtomicI64>,
}

impl Clock {
    pub(super) fn wall_clock(&self) -> WallClock {
        let off_ms = self.off_ms.clone();
        WallClock::new(move || {
            let off_ms = off_ms.load(Ordering::Relaxed);
            let off = Duration::from_millis(off_ms.unsigned_abs());
            let now = SystemTime::now();
            let set = if off_ms < 0 {
                now.checked_sub(off)
            } else {
                now.checked_add(off)
            };
            set.unwrap_or(SystemTime::UNIX_EPOCH)
        })
    }
}

#[derive(Debug, Default)]
pub(super) struct Kept {
    generation: u64,
    members: RememberedMembers,
    lives: UsedLives,
}

impl Memory {
    /// Begins with the addresses of other nodes, seen just now.
    pub(super) fn know(&self, own: NodeId, node_ids: &[NodeId]) {
        let mut kept = self.kept();
        if !kept.members.peers.is_empty() {
            return;
        }
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        kept.members.peers = node_ids
            .iter()
            .filter(|node_id| **node_id != own)
            .map(|node_id| KnownPeer {
                node_id: *node_id,
                address: address(*node_id),
                generation: 0,
                policy: None,
                left: false,
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
        let off = self
            .clock
            .off_ms
            .load(Ordering::Relaxed)
            .saturating_mul(1_000_000);
        let now = now.saturating_add_signed(off);
        let mut kept = self.kept();
        kept.generation = now.max(kept.generation.saturating_add(1));
        Ok(kept.generation)
    }

    fn lives(&self) -> Result<UsedLives, MemoryError> {
        Ok(self.kept().lives.clone())
    }

    fn remember_lives(&self, lives: &UsedLives) -> Result<(), MemoryError> {
        self.kept().lives.clone_from(lives);
        Ok(())
    }

    fn members(&self) -> Result<RememberedMembers, MemoryError> {
        Ok(self.kept().members.clone())
    }

    fn remember(&self, members: &RememberedMembers) -> Result<(), MemoryError> {
        self.kept().members.clone_from(members);
        Ok(())
    }
}
