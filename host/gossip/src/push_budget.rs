//! The budget of eager push, and the token bucket that enforces it.

use std::time::Duration;

use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// Limits of eager push: gossip that starts right after a change. Ordinary gossip comes on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushBudget {
    /// Rounds per second, and the largest burst. 0 turns eager push off. Default: 10.
    pub rounds_per_second: u32,
    /// Digest bytes per second, both directions together, and the largest burst. A round that needs
    /// more waits for a full bucket. Default: 1 MiB.
    pub digest_bytes_per_second: u32,
}

impl PushBudget {
    /// No eager push: changes travel with ordinary gossip only.
    pub const OFF: Self = Self {
        rounds_per_second: 0,
        digest_bytes_per_second: 0,
    };
}

impl Default for PushBudget {
    fn default() -> Self {
        Self {
            rounds_per_second: 10,
            digest_bytes_per_second: 1024 * 1024,
        }
    }
}

/// A token bucket that holds at most one second's worth of tokens.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    per_second: u64,
    /// Time at which the bucket is full again. Each withdrawal moves it later.
    full_at: Option<Instant>,
}

impl TokenBucket {
    pub(crate) fn new(per_second: u32) -> Self {
        Self {
            per_second: per_second.into(),
            full_at: None,
        }
    }

    /// Withdraws tokens and returns the time to wait until they are covered.
    ///
    /// An amount above one second's worth is cut to that, so every amount is affordable at some
    /// time. Returns `None` for a bucket of rate 0.
    pub(crate) fn take(&mut self, amount: u64, now: Instant) -> Option<Duration> {
        const SECOND: Duration = Duration::from_secs(1);
        let amount = amount.min(self.per_second);
        let cost = Duration::from_nanos(
            amount
                .saturating_mul(1_000_000_000)
                .checked_div(self.per_second)?,
        );
        let full_at = self.full_at.map_or(now, |at| at.max(now));
        let full_at = full_at.checked_add(cost).unwrap_or(full_at);
        self.full_at = Some(full_at);
        Some(full_at.duration_since(now).saturating_sub(SECOND))
    }
}
