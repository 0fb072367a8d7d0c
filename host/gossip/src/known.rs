//! The table of known peers: those that were met in the last 72 hours.
//!
//! chitchat forgets a silent member after its grace period. This table keeps it, also over restarts. It
//! is listed as failed unless it left, and it is called, because two halves of a cluster that were
//! partitioned for longer than the grace period would never meet again without a common seed.
//!
//! Ages are measured on the monotonic clock. The system's clock only counts while the agent is not
//! running, so a clock that is set forgets nobody and keeps nobody for years.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use edge_cache_core::MemberStatus;
use tokio::time::Instant;

use crate::cluster_member::ClusterMember;
use crate::memory::{KnownPeer, RememberedMembers};
use crate::view::ClusterView;

#[cfg(test)]
mod tests;

/// Time for which a silent peer is remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(72 * 60 * 60);
/// Minimum time for which a stored peer is remembered after a start, whatever the clock says.
const REMEMBERED_MIN: Duration = Duration::from_secs(60 * 60);
/// Maximum number of known peers. Those silent for longest are forgotten first.
const PEERS_MAX: usize = 4_096;
/// Maximum length of a policy digest that is kept. Agents write 12 bytes.
const POLICY_BYTES_MAX: usize = 64;
/// Time after which live peers are noted and stored again without another change.
pub(crate) const NOTED_AGAIN_AFTER: Duration = Duration::from_secs(60 * 60);

/// The known peers, by node id.
#[derive(Debug, Default)]
pub(crate) struct KnownPeers {
    peers: BTreeMap<u64, Known>,
    /// Highest generation of each node that an operator has forgotten.
    forgotten: BTreeMap<u64, u64>,
    pub(crate) own_address: Option<SocketAddr>,
    /// The table that was stored last.
    stored: RememberedMembers,
}

#[derive(Debug)]
struct Known {
    peer: KnownPeer,
    forget_at: Instant,
    /// Time from which the peer counts as failed if it is silent.
    fails_at: Instant,
}

impl KnownPeers {
    /// Takes a stored table. Its peers count as failed if they are silent for `awaited_for`.
    pub(crate) fn load(
        &mut self,
        stored: RememberedMembers,
        awaited_for: Duration,
        (now, now_ms): (Instant, u64),
    ) {
        self.own_address = stored.own_address;
        self.forgotten.clone_from(&stored.forgotten);
        for peer in &stored.peers {
            let age = Duration::from_millis(now_ms.saturating_sub(peer.seen_ms));
            let left = REMEMBERED_FOR.saturating_sub(age).max(REMEMBERED_MIN);
            let known = Known {
                peer: peer.clone(),
                forget_at: later(now, left),
                fails_at: later(now, awaited_for),
            };
            self.peers.entry(peer.node_id).or_insert(known);
        }
        self.stored = stored;
    }

    /// Notes the live members of a view, and adds to it who has left and who has failed. `live` are the
    /// nodes that are heard, and `has_left` tells of a peer whether it said that it leaves. Returns the
    /// time at which a silent peer counts as failed, or is forgotten, without another change.
    pub(crate) fn update(
        &mut self,
        view: &mut ClusterView,
        live: &BTreeSet<u64>,
        has_left: impl Fn(&KnownPeer) -> bool,
        now: Instant,
    ) -> Option<Instant> {
        for member in view.alive() {
            self.forgotten.remove(&member.node_id);
            self.peers.insert(member.node_id, Known::alive(member, now));
        }
        // The last record of a member that leaves has no policy.
        for member in view.members.iter_mut().filter(|it| it.policy.is_none()) {
            let known = self.peers.get(&member.node_id).map(|known| &known.peer);
            let same = known.filter(|known| known.generation == member.generation);
            member.policy = same.and_then(|known| known.policy.clone());
        }
        self.peers.retain(|_, known| known.forget_at > now);
        for known in self.peers.values_mut() {
            known.peer.left |= has_left(&known.peer);
        }
        while self.peers.len() > PEERS_MAX {
            let oldest = self.peers.iter().min_by_key(|(_, known)| known.forget_at);
            let Some((&oldest, _)) = oldest else { break };
            self.peers.remove(&oldest);
        }
        view.members.retain(|member| {
            let forgotten = self.forgotten.get(&member.node_id);
            forgotten.is_none_or(|generation| member.generation > *generation)
        });
        let left = self.peers.values().filter(|known| known.peer.left);
        let left = left.map(|known| known.peer.node_id).collect();
        Arc::make_mut(&mut view.peers).left = left;
        let failed = self.peers.iter().filter(|(node_id, known)| {
            !known.peer.left && known.fails_at <= now && !live.contains(node_id)
        });
        for (node_id, known) in failed {
            let member = known.failed();
            match view.members.binary_search_by_key(node_id, |it| it.node_id) {
                Ok(index) => {
                    if let Some(listed) = view.members.get_mut(index) {
                        *listed = member;
                    }
                }
                Err(index) => view.members.insert(index, member),
            }
        }
        let silent = self
            .peers
            .iter()
            .filter(|(node_id, _)| !live.contains(node_id));
        let due = silent.flat_map(|(_, known)| [known.fails_at, known.forget_at]);
        due.filter(|at| *at > now).min()
    }

    /// Drops a failed peer, which this view lists. Returns `false` for any other.
    pub(crate) fn forget(&mut self, node_id: u64, view: &ClusterView) -> bool {
        let mut failed = view.with_status(MemberStatus::Failed);
        let Some(member) = failed.find(|member| member.node_id == node_id) else {
            return false;
        };
        self.peers.remove(&node_id);
        if self.forgotten.len() >= PEERS_MAX {
            self.forgotten.pop_first();
        }
        self.forgotten.insert(node_id, member.generation);
        true
    }

    /// Gives the peers that are now heard some time to be heard again, by a restarted server.
    pub(crate) fn await_again(&mut self, view: &ClusterView, until: Instant) {
        for member in view.alive() {
            if let Some(known) = self.peers.get_mut(&member.node_id) {
                known.fails_at = until;
            }
        }
    }

    /// Returns `true` if some peer has not left.
    pub(crate) fn misses_any(&self) -> bool {
        self.peers.values().any(|known| !known.peer.left)
    }

    /// Returns `true` if a node is a known peer that has not left, whether it is heard or silent.
    pub(crate) fn may_run(&self, node_id: u64) -> bool {
        let known = self.peers.get(&node_id);
        known.is_some_and(|known| !known.peer.left)
    }

    /// Returns the addresses of all peers.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (u64, SocketAddr)> {
        let peers = self.peers.iter();
        peers.map(|(node_id, known)| (*node_id, known.peer.address))
    }

    /// Returns the table to store, if it has changed.
    pub(crate) fn to_store(&self, now: Instant, now_ms: u64) -> Option<RememberedMembers> {
        let peers = self.peers.values().map(|known| KnownPeer {
            seen_ms: now_ms.saturating_sub(known.age_ms(now)),
            ..known.peer.clone()
        });
        let table = RememberedMembers {
            own_address: self.own_address,
            peers: peers.collect(),
            forgotten: self.forgotten.clone(),
        };
        let stored = &self.stored;
        let again = u64::try_from(NOTED_AGAIN_AFTER.as_millis()).unwrap_or(u64::MAX);
        let is_same = table.own_address == stored.own_address
            && table.forgotten == stored.forgotten
            && table.peers.len() == stored.peers.len()
            && table.peers.iter().zip(&stored.peers).all(|(new, old)| {
                let identity = |it: &KnownPeer| (it.node_id, it.address, it.generation, it.left);
                identity(new) == identity(old) && new.seen_ms.abs_diff(old.seen_ms) < again
            });
        (!is_same).then_some(table)
    }

    /// Notes that a table was stored.
    pub(crate) fn set_stored(&mut self, table: RememberedMembers) {
        self.stored = table;
    }
}

impl Known {
    fn alive(member: &ClusterMember, now: Instant) -> Self {
        let policy = member.policy.clone();
        Self {
            peer: KnownPeer {
                node_id: member.node_id,
                address: member.address,
                generation: member.generation,
                policy: policy.filter(|policy| policy.len() <= POLICY_BYTES_MAX),
                seen_ms: 0,
                left: false,
            },
            forget_at: later(now, REMEMBERED_FOR),
            fails_at: now,
        }
    }

    fn failed(&self) -> ClusterMember {
        ClusterMember {
            node_id: self.peer.node_id,
            status: MemberStatus::Failed,
            address: self.peer.address,
            generation: self.peer.generation,
            policy: self.peer.policy.clone(),
        }
    }

    fn age_ms(&self, now: Instant) -> u64 {
        let left = self.forget_at.saturating_duration_since(now);
        let age = REMEMBERED_FOR.saturating_sub(left);
        u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
    }
}

fn later(now: Instant, by: Duration) -> Instant {
    now.checked_add(by).unwrap_or(now)
}
