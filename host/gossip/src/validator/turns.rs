//! Turns: a member with much to say does not hold up the values of others.
//!
//! chitchat fills a delta with the member of which the most keys are missing, and ends it at the first value that
//! does not fit. A member that writes without end, or one large value, would always come first. So the members in a
//! large delta wait while others have something new for the same peer: its digest is changed so that it
//! seems to know all of their values.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::digest::{DigestMember, MemberSet};
use super::state_budget::Update;

/// Minimum size of a delta whose members wait, uncompressed. What is said in smaller ones all fits.
const LARGE_DELTA_BYTES: usize = 16 * 1024;
/// Maximum number of peers for which members wait. The turns of one of them begin again for each more.
const PEERS_MAX: usize = 256;

/// Members that wait for their next turn, by the peer to which they were sent.
#[derive(Debug, Default)]
pub(super) struct Turns {
    waiting: HashMap<SocketAddr, MemberSet>,
}

impl Turns {
    /// Notes the members of a sent delta of this size. A small one ends the round of turns.
    pub(super) fn record_sent(&mut self, to: SocketAddr, updates: &[Update], bytes: usize) {
        // The last member has no operation if its first value did not fit.
        let is_cut = updates.last().is_some_and(Update::is_empty);
        if bytes < LARGE_DELTA_BYTES && !is_cut {
            self.waiting.remove(&to);
            return;
        }
        if self.waiting.len() >= PEERS_MAX
            && let Some(other) = self.waiting.keys().next().copied()
        {
            self.waiting.remove(&other);
        }
        let sent = updates.iter().map(|update| update.member);
        self.waiting.entry(to).or_default().extend(sent);
    }

    /// Returns the members that wait, if a peer with this digest lacks something of another one. Otherwise the
    /// next round of turns begins. `version` returns the newest version of a member.
    pub(super) fn waiting(
        &mut self,
        peer: SocketAddr,
        digest: &[DigestMember],
        version: impl Fn(u64) -> u64,
    ) -> Option<&MemberSet> {
        let waiting = self.waiting.get(&peer)?;
        let is_missing = |member: &DigestMember| {
            !waiting.contains(&member.hash) && version(member.hash) > member.max_version
        };
        if !digest.iter().any(is_missing) {
            self.waiting.remove(&peer);
        }
        self.waiting.get(&peer)
    }

    #[cfg(test)]
    pub(super) fn peers(&self) -> usize {
        self.waiting.len()
    }
}
