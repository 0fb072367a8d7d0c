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

use chitchat::{ChitchatId, NodeState, Version};
use edge_cache_core::{MemberStatus, PeerInfo, PublishedStats};
use tokio::time::Instant;

use crate::bad_records::{BadRecord, BadRecords, excerpt};
use crate::cluster_member::ClusterMember;
use crate::info::{InfoError, NodeRecord, check_size, node_id_of};
use crate::membership::ClusterView;
use crate::peers::Peers;
use ghosts::Ghosts;

mod ghosts;
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
    /// Identity of this member, once it has started.
    pub(crate) own: Option<ChitchatId>,
    members: HashMap<ChitchatId, KnownMember>,
    ghosts: Ghosts,
    /// Time for which a member that was never live is not listed as dead.
    awaited_for: Duration,
    bad: BadRecords,
}

/// A member with its validated record.
#[derive(Debug)]
struct KnownMember {
    is_live: bool,
    /// Set once the member has been live.
    was_live: bool,
    /// Time at which the member was first seen.
    since: Instant,
    /// Version of the record, and its content if it is valid. `None` without a record.
    record: Option<(Version, Option<Announcement>)>,
    /// Counters of the member's node, with the version that was read last.
    stats: (Version, Option<PublishedStats>),
    /// Highest version of another member's key that was reported.
    foreign_version: Version,
}

/// The content of a valid record.
#[derive(Debug)]
struct Announcement {
    info: Arc<PeerInfo>,
    leaving: bool,
    policy: Option<String>,
}

/// A member's state, copied while chitchat's state was locked.
#[derive(Debug)]
pub(crate) struct MemberReading {
    id: ChitchatId,
    /// `false` for a member without recent heartbeats, or without any yet.
    is_live: bool,
    record: RecordReading,
    /// Version and value of the counters, if they have changed.
    stats: Option<(Version, String)>,
    /// Keys of other members that this member has written, as excerpts.
    foreign_keys: Vec<(String, Version)>,
}

/// A member's own record, as read.
#[derive(Debug)]
enum RecordReading {
    /// The member has no record.
    Absent,
    /// The record has the version that the directory knows.
    Known,
    /// The record has another version. A value over the size limit is not copied.
    New(Version, Result<String, InfoError>),
}

impl Directory {
    /// Creates a directory. `interval` is the time between two gossip rounds.
    pub(crate) fn new(own_node_id: u64, interval: Duration, bad: BadRecords) -> Self {
        Self {
            own_node_id,
            own: None,
            members: HashMap::new(),
            ghosts: Ghosts::new(interval),
            awaited_for: interval.saturating_mul(AWAITED_INTERVALS),
            bad,
        }
    }

    /// Copies the news about a member. Runs under chitchat's lock, so it decodes nothing.
    pub(crate) fn read(&self, state: &NodeState, is_live: bool) -> MemberReading {
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
        let stats_version = known.map_or(0, |member| member.stats.0);
        let stats = node_id_of(name)
            .and_then(|node_id| state.get_versioned(&PublishedStats::key(node_id)))
            .filter(|value| value.version > stats_version)
            .map(|value| (value.version, head(&value.value)));
        let reported = known.map_or(0, |member| member.foreign_version);
        let foreign_keys = state
            .iter_prefix(PeerInfo::KEY_PREFIX)
            .filter(|(key, value)| !(is_node && *key == name) && value.version > reported)
            .take(FOREIGN_KEYS_MAX)
            .map(|(key, value)| (excerpt(key), value.version))
            .collect();
        MemberReading {
            id: id.clone(),
            is_live,
            record,
            stats,
            foreign_keys,
        }
    }

    /// Takes the readings of all members and selects the peers. Members without a reading are
    /// forgotten. Returns also the time after which to run again even if nothing changes.
    pub(crate) fn update(
        &mut self,
        readings: Vec<MemberReading>,
        own_policy: Option<&str>,
        now: Instant,
    ) -> (ClusterView, Option<Duration>) {
        let mut members = HashMap::with_capacity(readings.len());
        for reading in readings {
            let known = self.members.remove(&reading.id);
            let mut member = known.unwrap_or_else(|| KnownMember::new(now));
            member.is_live = reading.is_live;
            member.was_live |= reading.is_live;
            self.validate(&mut member, &reading);
            members.insert(reading.id, member);
        }
        self.members = members;
        self.select(own_policy, now)
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
        if let Some((version, value)) = &reading.stats {
            let stats = PublishedStats::decode(value);
            if stats.is_none() && !value.is_empty() {
                self.bad.report(&reading.id, *version, &BadRecord::Stats);
            }
            member.stats = (*version, stats);
        }
        for (key, version) in &reading.foreign_keys {
            let bad = BadRecord::ForeignKey { key: key.clone() };
            self.bad.report(&reading.id, *version, &bad);
            member.foreign_version = member.foreign_version.max(*version);
        }
    }

    fn select(
        &mut self,
        own_policy: Option<&str>,
        now: Instant,
    ) -> (ClusterView, Option<Duration>) {
        let mut peers = Vec::new();
        let mut members = BTreeMap::new();
        let mut waits = Vec::new();
        self.ghosts.expire(now);
        for (node_id, (id, announcement)) in newest_generations(&self.members, self.own_node_id) {
            if let Some(wait) = self.ghosts.check(node_id, id.generation_id, now) {
                waits.push(wait);
                continue;
            }
            let Some(announcement) = announcement else {
                continue;
            };
            let status = if announcement.leaving {
                MemberStatus::Leaving
            } else {
                peers.push(Arc::clone(&announcement.info));
                MemberStatus::Alive
            };
            members.insert(
                node_id,
                cluster_member(node_id, status, id, Some(announcement)),
            );
        }
        waits.extend(self.add_dead(&mut members, now));
        let mut view = ClusterView {
            peers: Arc::new(Peers::from_ascending(peers)),
            members: members.into_values().collect(),
            stats: self.stats(),
            duplicate_node: self.duplicate_node(),
            policy_mismatches: Vec::new(),
        };
        let has_other_policy = |member: &&ClusterMember| {
            let policies = member.policy.as_deref().zip(own_policy);
            policies.is_some_and(|(theirs, own)| theirs != own)
        };
        let mismatches = view.alive().filter(has_other_policy);
        view.policy_mismatches = mismatches.map(|member| member.node_id).collect();
        (view, waits.into_iter().min())
    }

    /// Adds the nodes without a live member. Returns the time after which to look again.
    fn add_dead(
        &self,
        members: &mut BTreeMap<u64, ClusterMember>,
        now: Instant,
    ) -> Option<Duration> {
        let mut silent: Vec<_> = self
            .members
            .iter()
            .filter(|(_, member)| !member.is_live)
            .filter_map(|(id, member)| Some((node_id_of(&id.node_id)?, id, member)))
            .filter(|(node_id, _, _)| *node_id != self.own_node_id)
            .filter(|(node_id, _, _)| !members.contains_key(node_id))
            .collect();
        let again_in = (!silent.is_empty()).then_some(DEAD_CHECK_INTERVAL.min(self.awaited_for));
        silent.retain(|(_, _, member)| {
            let awaited = now.saturating_duration_since(member.since);
            member.was_live || awaited >= self.awaited_for
        });
        // The latest generation comes last and replaces the others.
        silent.sort_by_key(|(_, id, _)| id.generation_id);
        for (node_id, id, member) in silent {
            let record = member.record.as_ref();
            let announcement = record.and_then(|(_, announcement)| announcement.as_ref());
            let member = cluster_member(node_id, MemberStatus::Dead, id, announcement);
            members.insert(node_id, member);
        }
        again_in
    }

    /// Returns the counters of the other nodes, each from its latest generation that has published some.
    fn stats(&self) -> BTreeMap<u64, PublishedStats> {
        let mut newest = BTreeMap::new();
        for (id, member) in &self.members {
            let (Some(node_id), Some(stats)) = (node_id_of(&id.node_id), member.stats.1) else {
                continue;
            };
            let best = newest.entry(node_id).or_insert((id, stats));
            if best.0 < id {
                *best = (id, stats);
            }
        }
        newest.remove(&self.own_node_id);
        let newest = newest.into_iter();
        newest
            .map(|(node_id, (_, stats))| (node_id, stats))
            .collect()
    }

    /// Returns the address of a live member with this node's id that started later and elsewhere.
    fn duplicate_node(&self) -> Option<SocketAddr> {
        let own = self.own.as_ref()?;
        let mut live = self
            .members
            .iter()
            .filter(|(_, member)| member.is_live && member.record.is_some());
        let (id, _) = live.find(|(id, _)| {
            node_id_of(&id.node_id) == Some(self.own_node_id)
                && id.generation_id > own.generation_id
                && id.gossip_advertise_addr != own.gossip_advertise_addr
        })?;
        Some(id.gossip_advertise_addr)
    }
}

impl KnownMember {
    fn new(since: Instant) -> Self {
        Self {
            is_live: false,
            was_live: false,
            since,
            record: None,
            stats: (Version::default(), None),
            foreign_version: Version::default(),
        }
    }
}

impl Announcement {
    /// Decodes a record and checks that it describes the node of its member.
    fn decode(id: &ChitchatId, value: Result<&str, &InfoError>) -> Result<Self, BadRecord> {
        let NodeRecord {
            info,
            leaving,
            policy,
        } = NodeRecord::decode(value.map_err(InfoError::clone)?)?;
        if node_id_of(&id.node_id) != Some(info.node_id) {
            let claimed = info.node_id;
            return Err(BadRecord::OtherNode { claimed });
        }
        Ok(Self {
            info: Arc::new(info),
            leaving,
            policy,
        })
    }
}

/// Returns the highest live generation with a record of each other node, even if the record is
/// invalid: an older generation must not replace one that cannot be read.
fn newest_generations(
    members: &HashMap<ChitchatId, KnownMember>,
    own_node_id: u64,
) -> BTreeMap<u64, (&ChitchatId, Option<&Announcement>)> {
    let mut newest = BTreeMap::new();
    for (id, member) in members.iter().filter(|(_, member)| member.is_live) {
        let (Some(node_id), Some((_, announcement))) = (node_id_of(&id.node_id), &member.record)
        else {
            continue;
        };
        let candidate = (id, announcement.as_ref());
        let best = newest.entry(node_id).or_insert(candidate);
        if best.0 < id {
            *best = candidate;
        }
    }
    newest.remove(&own_node_id);
    newest
}

/// Copies a value of counters, of which one that is too long stays too long.
fn head(value: &str) -> String {
    value.chars().take(PublishedStats::BYTES_MAX + 1).collect()
}

/// Describes a member for operators.
fn cluster_member(
    node_id: u64,
    status: MemberStatus,
    id: &ChitchatId,
    announcement: Option<&Announcement>,
) -> ClusterMember {
    ClusterMember {
        node_id,
        status,
        address: id.gossip_advertise_addr,
        generation: id.generation_id,
        policy: announcement.and_then(|announcement| announcement.policy.clone()),
    }
}
