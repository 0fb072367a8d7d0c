//! The directory: rules that select peers from chitchat's members.
//!
//! chitchat shows several members of one node (a restarted node is live under two generations for a
//! while), members whose record has not arrived, and members that write invalid values. The directory
//! decodes a record once per version and keeps the result while its member is known. It has no clock
//! and no lock.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chitchat::{ChitchatId, NodeState};
use tokio::sync::watch;

use crate::bad_records::{BadRecord, BadRecords, excerpt};
use crate::clock::GENERATION_AHEAD_MAX;
use crate::cluster_member::ClusterMember;
use crate::info::{check_size, node_id_of};
use crate::peers::{Neighbour, Peers};
use edge_cache_core::{MemberStatus, PeerInfo};
use ghosts::Ghosts;
use known_member::{Announcement, KnownMember, cluster_member};
use listing::Listing;
use reading::{Liveness, MemberReading, Now, RecordReading};

mod ghosts;
mod known_member;
pub(crate) mod listing;
pub(crate) mod reading;
#[cfg(test)]
mod tests;

/// Time for which a member that was never live is not yet listed as dead, in intervals. Members that
/// are known only by hearsay are silent at first.
const AWAITED_INTERVALS: u32 = 15;
/// Time between two looks at dead members: chitchat forgets them without a notification.
const DEAD_CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// Maximum number of foreign keys that are read per member and pass.
const FOREIGN_KEYS_MAX: usize = 8;

/// The known members and the rules that select peers among them.
#[derive(Debug)]
pub(crate) struct Directory {
    own_node_id: u64,
    own_policy: watch::Receiver<Option<String>>,
    /// Identity of this member, once it has started.
    own: Option<ChitchatId>,
    members: HashMap<ChitchatId, KnownMember>,
    ghosts: Ghosts,
    /// Time for which a member that was never live is not listed as dead.
    awaited_for: Duration,
    bad: BadRecords,
}

/// A live generation of a node, with its record if that is valid.
#[derive(Debug, Clone, Copy)]
struct Candidate<'a> {
    node_id: u64,
    id: &'a ChitchatId,
    announcement: Option<&'a Announcement>,
}

/// A selected generation of a node.
#[derive(Debug, Clone, Copy)]
struct Selected<'a> {
    node_id: u64,
    id: &'a ChitchatId,
    announcement: &'a Announcement,
}

impl Directory {
    /// Creates a directory. `interval` is the time between two gossip rounds.
    pub(crate) fn new(
        own_node_id: u64,
        own_policy: watch::Receiver<Option<String>>,
        interval: Duration,
        bad: BadRecords,
    ) -> Self {
        Self {
            own_node_id,
            own_policy,
            own: None,
            members: HashMap::new(),
            ghosts: Ghosts::new(interval),
            awaited_for: interval.saturating_mul(AWAITED_INTERVALS),
            bad,
        }
    }

    /// Starts a new membership of this node.
    pub(crate) fn begin(&mut self, own: ChitchatId) {
        self.own = Some(own);
    }

    /// Copies the news about a member. Runs under chitchat's lock, so it decodes nothing.
    pub(crate) fn read(&self, state: &NodeState, liveness: Liveness) -> MemberReading {
        let id = state.chitchat_id();
        let name = &*id.node_id;
        let is_node = node_id_of(name).is_some();
        let known = self.members.get(id);
        let known_version = known.and_then(|member| member.record.as_ref().map(|(at, _)| *at));
        let record = match state.get_versioned(name) {
            Some(value) if is_node && !value.is_deleted() => {
                if known_version == Some(value.version) {
                    RecordReading::Known
                } else {
                    let copy = check_size(value.value.len()).map(|()| value.value.clone());
                    RecordReading::New(value.version, copy)
                }
            }
            _ => RecordReading::Absent,
        };
        let reported = known.map_or(0, |member| member.foreign_version);
        let foreign_keys = state
            .iter_prefix(PeerInfo::KEY_PREFIX)
            .filter(|(key, value)| !(is_node && *key == name) && value.version > reported)
            .take(FOREIGN_KEYS_MAX)
            .map(|(key, value)| (excerpt(key), value.version))
            .collect();
        MemberReading {
            id: id.clone(),
            liveness,
            record,
            foreign_keys,
        }
    }

    /// Takes the readings of all members and selects the peers. Members without a reading are
    /// forgotten.
    pub(crate) fn update(&mut self, readings: Vec<MemberReading>, now: Now) -> Listing {
        let mut members = HashMap::with_capacity(readings.len());
        for reading in readings {
            let known = self.members.remove(&reading.id);
            let mut member = known.unwrap_or_else(|| KnownMember::new(now.instant));
            member.liveness = reading.liveness;
            member.was_live |= reading.liveness == Liveness::Live;
            self.validate(&mut member, &reading);
            members.insert(reading.id, member);
        }
        self.members = members;
        self.select(now)
    }

    /// Waits until this node's policy digest changes.
    pub(crate) async fn policy_changed(&mut self) {
        if self.own_policy.changed().await.is_err() {
            // All handles are gone, so no change can come.
            std::future::pending::<()>().await;
        }
    }

    fn validate(&mut self, member: &mut KnownMember, reading: &MemberReading) {
        match &reading.record {
            RecordReading::Absent => member.record = None,
            RecordReading::Known => {}
            RecordReading::New(version, value) => {
                let decoded = Announcement::decode(&reading.id, value.as_deref());
                if let Err(bad) = &decoded {
                    self.bad.report(&reading.id, *version, bad);
                }
                member.record = Some((*version, decoded.ok()));
            }
        }
        for (key, version) in &reading.foreign_keys {
            let bad = BadRecord::ForeignKey { key: key.clone() };
            self.bad.report(&reading.id, *version, &bad);
            member.foreign_version = member.foreign_version.max(*version);
        }
    }

    fn select(&mut self, now: Now) -> Listing {
        let mut again_in = None;
        let mut ghosts = Vec::new();
        self.ghosts.expire(now.instant);
        let candidates = newest_generations(&self.members, self.own_node_id, now, &mut again_in);
        for candidate in candidates.values() {
            let generation = candidate.id.generation_id;
            if let Some(wait) = self
                .ghosts
                .check(candidate.node_id, generation, now.instant)
            {
                ghosts.push(candidate.node_id);
                again_in = earliest(again_in, wait);
            }
        }
        let selected = candidates
            .into_values()
            .filter(|candidate| !ghosts.contains(&candidate.node_id))
            .filter_map(|candidate| {
                Some(Selected {
                    node_id: candidate.node_id,
                    id: candidate.id,
                    announcement: candidate.announcement?,
                })
            });
        let (leaving, staying): (Vec<_>, Vec<_>) =
            selected.partition(|node| node.announcement.leaving);
        let mut members = live_members(&staying, &leaving);
        if let Some(wait) = self.add_dead(&mut members, now) {
            again_in = earliest(again_in, wait);
        }
        Listing {
            peers: Peers::from_ascending(
                staying
                    .iter()
                    .map(|node| Arc::clone(&node.announcement.info)),
            ),
            neighbours: staying.iter().map(Selected::neighbour).collect(),
            policy_mismatches: staying
                .iter()
                .filter(|node| self.has_other_policy(node.announcement))
                .map(|node| node.node_id)
                .collect(),
            leaving: leaving.iter().map(|node| node.node_id).collect(),
            duplicate_node: self.duplicate_node(now),
            members: members.into_values().collect(),
            again_in,
        }
    }

    /// Adds the nodes without a live member. Returns the time after which to look again.
    fn add_dead(&self, members: &mut BTreeMap<u64, ClusterMember>, now: Now) -> Option<Duration> {
        let mut silent: Vec<_> = self
            .members
            .iter()
            .filter(|(_, member)| member.liveness == Liveness::Silent)
            .filter_map(|(id, member)| Some((node_id_of(&id.node_id)?, id, member)))
            .filter(|(node_id, _, _)| *node_id != self.own_node_id)
            .filter(|(node_id, _, _)| !members.contains_key(node_id))
            .collect();
        let again_in = (!silent.is_empty()).then_some(DEAD_CHECK_INTERVAL.min(self.awaited_for));
        silent.retain(|(_, _, member)| {
            let awaited = now.instant.saturating_duration_since(member.since);
            member.was_live || awaited >= self.awaited_for
        });
        // The latest generation comes last and replaces the others.
        silent.sort_by_key(|(_, id, _)| id.generation_id);
        for (node_id, id, member) in silent {
            let announcement = member
                .record
                .as_ref()
                .and_then(|(_, record)| record.as_ref());
            let member = cluster_member(node_id, MemberStatus::Dead, id, announcement);
            members.insert(node_id, member);
        }
        again_in
    }

    fn has_other_policy(&self, announcement: &Announcement) -> bool {
        let own = self.own_policy.borrow();
        let policies = (announcement.policy.as_deref(), own.as_deref());
        matches!(policies, (Some(theirs), Some(own)) if theirs != own)
    }

    /// Returns the address of a live member with this node's id that started later and elsewhere.
    fn duplicate_node(&self, now: Now) -> Option<SocketAddr> {
        let own = self.own.as_ref()?;
        let mut live = self
            .members
            .iter()
            .filter(|(_, member)| member.liveness == Liveness::Live && member.record.is_some());
        let (id, _) = live.find(|(id, _)| {
            node_id_of(&id.node_id) == Some(self.own_node_id)
                && lead(id, now).is_none()
                && id.generation_id > own.generation_id
                && id.gossip_advertise_addr != own.gossip_advertise_addr
        })?;
        Some(id.gossip_advertise_addr)
    }
}

impl Selected<'_> {
    fn neighbour(&self) -> Neighbour {
        Neighbour {
            node_id: self.node_id,
            address: self.id.gossip_advertise_addr,
            is_agent: self.announcement.policy.is_some(),
        }
    }

    fn member(&self, status: MemberStatus) -> ClusterMember {
        cluster_member(self.node_id, status, self.id, Some(self.announcement))
    }
}

/// Returns the highest live generation with a record of each other node, even if the record is
/// invalid: an older generation must not replace one that cannot be read.
fn newest_generations<'a>(
    members: &'a HashMap<ChitchatId, KnownMember>,
    own_node_id: u64,
    now: Now,
    again_in: &mut Option<Duration>,
) -> BTreeMap<u64, Candidate<'a>> {
    let mut newest: BTreeMap<u64, Candidate<'a>> = BTreeMap::new();
    for (id, member) in members {
        let (Some(node_id), Some((_, announcement))) = (node_id_of(&id.node_id), &member.record)
        else {
            continue;
        };
        if member.liveness == Liveness::Silent {
            continue;
        }
        if let Some(wait) = lead(id, now) {
            *again_in = earliest(*again_in, wait);
            continue;
        }
        if node_id == own_node_id {
            continue;
        }
        let candidate = Candidate {
            node_id,
            id,
            announcement: announcement.as_ref(),
        };
        newest
            .entry(node_id)
            .and_modify(|best| {
                if best.id < id {
                    *best = candidate;
                }
            })
            .or_insert(candidate);
    }
    newest
}

fn live_members(
    staying: &[Selected<'_>],
    leaving: &[Selected<'_>],
) -> BTreeMap<u64, ClusterMember> {
    let alive = staying.iter().map(|node| node.member(MemberStatus::Alive));
    let leaving = leaving
        .iter()
        .map(|node| node.member(MemberStatus::Leaving));
    alive
        .chain(leaving)
        .map(|member| (member.node_id, member))
        .collect()
}

/// Returns the time until a generation is no longer too far ahead of the clock, if it is.
fn lead(id: &ChitchatId, now: Now) -> Option<Duration> {
    let ahead_max = u64::try_from(GENERATION_AHEAD_MAX.as_nanos()).unwrap_or(u64::MAX);
    let horizon = now.unix_ns.saturating_add(ahead_max);
    let lead = id.generation_id.checked_sub(horizon)?;
    (lead > 0).then_some(Duration::from_nanos(lead))
}

fn earliest(earlier: Option<Duration>, wait: Duration) -> Option<Duration> {
    Some(earlier.map_or(wait, |earlier| earlier.min(wait)))
}
