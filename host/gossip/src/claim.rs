//! The claim to the own node id: one id, one node.
//!
//! A member publishes no record while another one elsewhere has this node's id, a record and a rising
//! heartbeat. A member at the same address is a former life: two processes cannot share a port.

use std::net::SocketAddr;
use std::time::Duration;

use chitchat::ChitchatId;
use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// Time for which a member at a new address looks for others with its id, and time of a still
/// heartbeat after which another one no longer counts, in intervals.
pub(crate) const WATCH_INTERVALS: u32 = 10;

/// This member's claim to its node id.
#[derive(Debug)]
pub(crate) struct Claim {
    /// `true` if this member publishes its record.
    pub(crate) holds: bool,
    interval: Duration,
    started: Instant,
}

/// Another member elsewhere that has this node's id, and does not leave.
#[derive(Debug, Clone)]
pub(crate) struct Rival {
    pub(crate) id: ChitchatId,
    pub(crate) has_record: bool,
    /// Set once its heartbeat was seen to rise.
    pub(crate) has_risen: bool,
    /// Time since its heartbeat rose, or since it was first seen.
    pub(crate) still_for: Duration,
}

/// Another member claims this node's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) address: SocketAddr,
    /// `true` if this member withholds its record.
    pub(crate) waits: bool,
}

impl Claim {
    /// Creates a claim. It holds at once if nobody else can have the id: at the address at which this
    /// node published last, or without anybody to ask.
    pub(crate) fn new(holds: bool, interval: Duration, started: Instant) -> Self {
        Self {
            holds,
            interval,
            started,
        }
    }

    /// Decides whether this member publishes its record.
    pub(crate) fn update(
        &mut self,
        own: &ChitchatId,
        rivals: &[Rival],
        now: Instant,
    ) -> Option<Conflict> {
        let watch = self.interval.saturating_mul(WATCH_INTERVALS);
        let active = rivals.iter().filter(|rival| rival.still_for < watch);
        if self.holds {
            // Of two holders, the later one counts for all.
            let rival = active
                .filter(|rival| rival.has_record && rival.has_risen)
                .max_by_key(|rival| &rival.id)?;
            self.holds = rival.id < *own;
            return Some(self.conflict(rival));
        }
        // Of two that wait, the earlier one goes first.
        let blocking = active.filter(|rival| rival.has_record || rival.id < *own);
        if let Some(rival) = blocking.max_by_key(|rival| (rival.has_record, &rival.id)) {
            return rival.has_risen.then(|| self.conflict(rival));
        }
        self.holds = now.saturating_duration_since(self.started) >= watch;
        None
    }

    fn conflict(&self, rival: &Rival) -> Conflict {
        Conflict {
            address: rival.id.gossip_advertise_addr,
            waits: !self.holds,
        }
    }
}
