//! The interface of a cache to its feeder.

use anyhow::Result;
use edge_cache_client::EdgeCacheStats;

/// A cache whose counters can be read.
pub(super) trait Cache {
    /// Reads the counters.
    async fn read(&mut self) -> Result<Reading>;

    /// Waits until the cache has counted for the last time.
    async fn ended(&mut self);
}

/// The counters of a cache at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) counters: EdgeCacheStats,
    /// Set if the cache has begun at zero since the reading before, whether or not a counter is lower now.
    pub(super) has_begun_again: bool,
}
