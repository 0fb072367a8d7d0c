//! The clock that decisions are stamped with: a hybrid logical clock.
//!
//! Its source: Kulkarni et al., "Logical Physical Clocks", 2014. A stamp is never lower than one that was
//! given out or heard of before, so a decision that follows another always wins over it, and never far
//! from the time, so decisions that know nothing of each other are ordered as people expect.

use super::Timestamp;

/// How far another agent's stamp may be ahead. One that is further is held until it is due: taken over at
/// once, a single wrong clock would decide for all agents and for as long as it is wrong.
pub const AHEAD_MAX_MS: u64 = 5 * 60 * 1000;

/// Gives out stamps.
#[derive(Debug, Clone, Copy, Default)]
pub struct HybridClock {
    last: Timestamp,
    /// The highest stamp of another agent: the time is not before it, whatever the own clock says.
    heard: Timestamp,
}

impl HybridClock {
    /// A stamp for a decision that is taken now, higher than all before.
    pub fn stamp(&mut self, now_ms: u64) -> Timestamp {
        self.last = Timestamp::at_ms(now_ms).max(self.last.next());
        self.last
    }

    /// Takes note of a stamp of another agent that counts.
    pub fn observe(&mut self, stamp: Timestamp) {
        self.last = self.last.max(stamp);
        self.heard = self.heard.max(stamp);
    }

    /// Takes note of a stamp that was given out here before.
    pub fn resume(&mut self, stamp: Timestamp) {
        self.last = self.last.max(stamp);
    }

    /// The time as far as it is known: this clock's, unless others have decided later.
    pub fn known_ms(self, now_ms: u64) -> u64 {
        now_ms.max(self.heard.ms())
    }

    /// Whether the clock was set back so far that stamps given out now would be too far ahead.
    pub fn is_fast(self, now_ms: u64) -> bool {
        Self::is_ahead(self.last, self.known_ms(now_ms))
    }

    /// Whether a stamp is too far ahead to count yet.
    pub fn is_ahead(stamp: Timestamp, now_ms: u64) -> bool {
        stamp.ms() > now_ms.saturating_add(AHEAD_MAX_MS)
    }
}
