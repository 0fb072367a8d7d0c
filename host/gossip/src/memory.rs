//! Storage of used generations and of known members, which must survive a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::task;

/// Maximum number of lives in an hour among nodes of ZLayer: half of them at once.
const LIVES_PER_HOUR: u32 = 20;
/// Maximum number of lives in a row.
pub(crate) const LIVES_IN_A_ROW: u32 = LIVES_PER_HOUR / 2;
/// Number of generations that are remembered as used by this node.
pub(crate) const USED_MAX: usize = 64;

/// An error of the storage.
pub type MemoryError = Box<dyn Error + Send + Sync>;

/// A peer that was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownPeer {
    /// Node id of the peer.
    pub node_id: u64,
    /// Gossip address.
    pub address: SocketAddr,
    /// Generation.
    pub generation: u64,
    /// Policy digest. `None` for members that are not agents.
    pub policy: Option<String>,
    /// Time at which the peer was last live, in milliseconds since the Unix epoch.
    pub seen_ms: u64,
    /// `true` if the peer said that it leaves.
    #[serde(default)]
    pub left: bool,
}

/// Lives of a node, which its data directory remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedLives {
    /// Latest generations that this node has used, in their order.
    pub generations: Vec<u64>,
    /// Number of lives that the node may begin now.
    pub left: u32,
    /// `true` once the node has met a node of ZLayer.
    pub is_limited: bool,
}

impl Default for UsedLives {
    fn default() -> Self {
        Self {
            generations: Vec::new(),
            left: LIVES_IN_A_ROW,
            is_limited: false,
        }
    }
}

impl UsedLives {
    /// Returns the lives of both, of which a node may begin as many as the lower number says.
    #[must_use]
    pub fn merge(&self, other: &Self) -> Self {
        let both = self.generations.iter().chain(&other.generations);
        let generations: BTreeSet<_> = both.copied().collect();
        let over = generations.len().saturating_sub(USED_MAX);
        Self {
            generations: generations.into_iter().skip(over).collect(),
            left: self.left.min(other.left),
            is_limited: self.is_limited || other.is_limited,
        }
    }
}

/// The members that a node remembers over a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RememberedMembers {
    /// Gossip address at which this node published its record last.
    pub own_address: Option<SocketAddr>,
    /// Peers that were met in the last 72 hours.
    pub peers: Vec<KnownPeer>,
    /// Highest generation of each node that an operator has forgotten: other members still carry it for a while.
    #[serde(default)]
    pub forgotten: BTreeMap<u64, u64>,
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

    /// Returns the lives that were stored last.
    ///
    /// # Errors
    ///
    /// If they cannot be read. The node does not join then.
    fn lives(&self) -> Result<UsedLives, MemoryError>;

    /// Replaces the stored lives.
    ///
    /// # Errors
    ///
    /// If they were not stored. The previous ones are kept.
    fn remember_lives(&self, lives: &UsedLives) -> Result<(), MemoryError>;

    /// Returns the members that were stored last.
    ///
    /// # Errors
    ///
    /// If the members cannot be read. The node runs without them.
    fn members(&self) -> Result<RememberedMembers, MemoryError>;

    /// Replaces the stored members.
    ///
    /// # Errors
    ///
    /// If the members were not stored. The previous ones are kept.
    fn remember(&self, members: &RememberedMembers) -> Result<(), MemoryError>;
}

/// Storage for the lifetime of the process. Enough for a node whose id is not reused, or whose clock
/// never goes back.
#[derive(Debug, Default)]
pub struct ProcessMemory {
    last: AtomicU64,
    members: Mutex<RememberedMembers>,
    lives: Mutex<UsedLives>,
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

    fn lives(&self) -> Result<UsedLives, MemoryError> {
        let lives = self.lives.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(lives.clone())
    }

    fn remember_lives(&self, lives: &UsedLives) -> Result<(), MemoryError> {
        let mut stored = self.lives.lock().unwrap_or_else(PoisonError::into_inner);
        stored.clone_from(lives);
        Ok(())
    }

    fn members(&self) -> Result<RememberedMembers, MemoryError> {
        let members = self.members.lock();
        Ok(members.unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn remember(&self, members: &RememberedMembers) -> Result<(), MemoryError> {
        let mut stored = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        stored.clone_from(members);
        Ok(())
    }
}

/// Runs a storage operation on a thread for blocking work.
pub(crate) async fn run_blocking<T: Send + 'static>(
    operation: impl FnOnce() -> Result<T, MemoryError> + Send + 'static,
) -> Result<T, MemoryError> {
    task::spawn_blocking(operation).await?
}
