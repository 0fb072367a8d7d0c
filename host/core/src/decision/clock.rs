//! The hybrid logical clock that gives decisions their timestamps.
//!
//! See Kulkarni et al., "Logical Physical Clocks", 2014. A timestamp is higher than all that were issued or received
//! before, so a later decision takes precedence over those that it knew. It stays close to the time, so independent
//! decisions are ordered as people expect.

use super::Timestamp;

/// The longest time that another agent's timestamp may lie in the future, in milliseconds.
///
/// A decision beyond it is held back until it is due. Otherwise one wrong clock would decide for all agents.
pub const AHEAD_MAX_MS: u64 = 5 * 60 * 1000;

/// A source of timestamps.
#[derive(Debug, Clone, Copy, Default)]
pub struct HybridClock {
    last: Timestamp,
    /// The highest timestamp of another agent. The time is not before it, whatever the own clock says.
    heard: Timestamp,
}

impl HybridClock {
    /// Issues a timestamp for a decision of now, higher than all before.
    pub fn stamp(&mut self, now_ms: u64) -> Timestamp {
        self.last = Timestamp::at_ms(now_ms).max(self.last.next());
        self.last
    }

    /// Records an accepted timestamp of another agent.
    pub fn observe(&mut self, timestamp: Timestamp) {
        self.last = self.last.max(timestamp);
        self.heard = self.heard.max(timestamp);
    }

    /// Records a timestamp that this agent issued before.
    pub fn resume(&mut self, timestamp: Timestamp) {
        self.last = self.last.max(timestamp);
    }

    /// Returns the time of this clock, or the highest timestamp of another agent if that is later.
    pub fn known_ms(self, now_ms: u64) -> u64 {
        now_ms.max(self.heard.ms())
    }

    /// Tells whether new timestamps would lie too far in the future, because the clock was set back.
    pub fn is_fast(self, now_ms: u64) -> bool {
        Self::is_ahead(self.last, self.known_ms(now_ms))
    }

    /// Tells whether a timestamp lies too far in the future.
    pub fn is_ahead(timestamp: Timestamp, now_ms: u64) -> bool {
        timestamp.ms() > now_ms.saturating_add(AHEAD_MAX_MS)
    }
}
