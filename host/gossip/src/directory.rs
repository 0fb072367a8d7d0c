//! The directory: rules that select peers from chitchat's members.
//!
//! chitchat shows several members of one node (a restarted node is live under two generations for a
//! while), members whose record has not arrived, and members that write invalid values. The directory
//! decodes a record once per version and keeps the result while its member is known. It has no clock
//! and no lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chitchat::{ChitchatId, Heartbeat, NodeState, Version};
use edge_cache_core::{MemberStatus, PeerInfo, PublishedStats};
use tokio::time::Instant;

use crate::bad_records::{BadRecord, BadRecords, excerpt};
use crate::claim::{Rival, WATCH_INTERVALS};
use crate::cluster_member::ClusterMember;
use crate::info::{InfoError, NodeRecord, check_size, node_id_of};
use crate::memory::KnownPeer;
use crate::view::ClusterView;

#[cfg(test)]
mod tests;

/// Time for which a member that was never live is not yet listed as failed, in intervals. Members that
/// are known only by hearsay are silent at first.
pub(crate) const AWAITED_INTERVALS: u32 = 15;
/// Time for which the values of a member with a record may be awaited, in intervals.
const VALUES_INTERVALS: u32 = 60;
/// Time for which a silent life hides former ones, in intervals: the failure detector takes up to forty to notice the
/// end of one that lived for moments. A node that lost data and time may come back with a lower generation.
const FORMER_INTERVALS: u32 = 60;
/// Minimum of that time: short intervals do not make the failure detector quicker.
const FORMER_MIN: Duration = Duration::from_secs(12);
/// Time between two looks at silent members: chitchat forgets them without a notification.
const SILENT_CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// Maximum number of foreign keys that are read per member and pass.
const FOREIGN_KEYS_MAX: usize = 8;

/// The known members and the rules that select peers among them.
#[derive(Debug)]
pub(crate) struct Directory {
    own_node_id: u64,
    members: HashMap<ChitchatId, KnownMember>,
    interval: Duration,
    /// Time for which a member that was never live is not listed as failed.
    awaited_for: Duration,
    /// Time for which the values of a member may be awaited.
    values_for: Duration,
    /// Time after its last heartbeat for which a life hides former ones.
    former_for: Duration,
    bad: BadRecords,
}

/// A member of a node, with its identity.
type Life<'a> = (&'a ChitchatId, &'a KnownMember);

/// A member with its validated record.
#[derive(Debug)]
struct KnownMember {
    is_live: bool,
    /// Set once the member has been live.
    was_live: bool,
    /// Set once the values have arrived that the member had when it was first heard of.
    has_arrived: bool,
    /// Time at which the member was first seen.
    since: Instant,
    heartbeat: Heartbeat,
    /// Time at which the heartbeat was seen to rise.
    risen_at: Option<Instant>,
    /// Version when the values were read last.
    max_version: Version,
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
    has_arrived: bool,
    heartbeat: Heartbeat,
    max_version: Version,
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
    /// The record is as the directory knows it.
    Known,
    /// The record has another version. A value over the size limit is not copied.
    New(Version, Result<String, InfoError>),
}

impl Directory {
    /// Creates a directory. `interval` is the time between two gossip rounds.
    pub(crate) fn new(own_node_id: u64, interval: Duration, bad: BadRecords) -> Self {
        Self {
            own_node_id,
            members: HashMap::new(),
            interval,
            awaited_for: interval.saturating_mul(AWAITED_INTERVALS),
            values_for: interval.saturating_mul(VALUES_INTERVALS),
            former_for: interval.saturating_mul(FORMER_INTERVALS).max(FORMER_MIN),
            bad,
        }
    }

    /// Copies the news about a member. Runs under chitchat's lock, so it decodes nothing. `has_arrived` tells whether
    /// the values are here that the member had when it was first heard of.
    pub(crate) fn read(
        &self,
        state: &NodeState,
        is_live: bool,
        has_arrived: impl FnOnce() -> bool,
    ) -> MemberReading {
        let id = state.chitchat_id();
        let known = self.members.get(id);
        let mut reading = MemberReading {
            id: id.clone(),
            is_live,
            has_arrived: known.is_some_and(|member| member.has_arrived) || has_arrived(),
            heartbeat: state.heartbeat(),
            max_version: state.max_version(),
            record: RecordReading::Known,
            stats: None,
            foreign_keys: Vec::new(),
        };
        if known.is_some_and(|member| member.max_version == reading.max_version) {
            return reading;
        }
        let name = &*id.node_id;
        let node_id = node_id_of(name);
        let known_version = known.and_then(|member| member.record.as_ref().map(|(at, _)| *at));
        reading.record = match state.get_versioned(name) {
            // A member empties its record to withdraw it, and the record of its former lives.
            Some(value) if node_id.is_some() && !value.is_deleted() && !value.value.is_empty() => {
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
        reading.stats = node_id
            .and_then(|node_id| state.get_versioned(&PublishedStats::key(node_id)))
            .filter(|value| value.version > stats_version)
            .map(|value| (value.version, head(&value.value)));
        let reported = known.map_or(0, |member| member.foreign_version);
        reading.foreign_keys = state
            .iter_prefix(PeerInfo::KEY_PREFIX)
            .filter(|(key, value)| !(node_id.is_some() && *key == name) && value.version > reported)
            .take(FOREIGN_KEYS_MAX)
            .map(|(key, value)| (excerpt(key), value.version))
            .collect();
        reading
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
            let mut member = known.unwrap_or_else(|| KnownMember::new(reading.heartbeat, now));
            if reading.heartbeat > member.heartbeat {
                member.heartbeat = reading.heartbeat;
                member.risen_at = Some(now);
            }
            member.is_live = reading.is_live;
            member.was_live |= reading.is_live;
            member.has_arrived = reading.has_arrived;
            member.max_version = reading.max_version;
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
        let mut members = Vec::new();
        let mut rivals = BTreeMap::new();
        let mut again_in: Option<Duration> = None;
        for (node_id, lives) in self.lives(now) {
            let live = || lives.iter().filter(|(_, member)| member.is_live);
            let has_record = |(_, member): &&Life<'_>| member.record.is_some();
            // Who leaves gives the id to another member that has it.
            let counts = live()
                .filter(has_record)
                .max_by_key(|(id, member)| (!member.is_leaving(), *id));
            let status = match counts {
                Some((_, member)) if member.is_leaving() => MemberStatus::Leaving,
                Some((id, member)) => {
                    let Some(announcement) = member.announcement() else {
                        continue;
                    };
                    peers.push(Arc::clone(&announcement.info));
                    // One that has withdrawn its record, or waits, lives on.
                    let mut others = live().filter(|(other, rival)| {
                        other.gossip_advertise_addr != id.gossip_advertise_addr
                            && !rival.is_leaving()
                    });
                    if let Some((other, rival)) = others.next() {
                        again_in = shorter(again_in, self.interval);
                        let met = member.since.max(rival.since);
                        let is_former = member.risen_at <= Some(met) || rival.risen_at <= Some(met);
                        if !is_former && rival.has_risen_within(self.interval, now) {
                            let pair = [id.gossip_advertise_addr, other.gossip_advertise_addr];
                            rivals.insert(node_id, pair);
                        }
                    }
                    MemberStatus::Alive
                }
                None => {
                    again_in = shorter(again_in, SILENT_CHECK_INTERVAL.min(self.awaited_for));
                    MemberStatus::Failed
                }
            };
            // One that waits for the id does not hide that the one with a record has failed.
            let shown = counts
                .or_else(|| lives.iter().rfind(has_record))
                .or_else(|| lives.last());
            let Some((id, member)) = shown else { continue };
            let status = match status {
                MemberStatus::Failed if member.is_leaving() => MemberStatus::Left,
                MemberStatus::Failed if member.is_live || !self.is_judged(member, now) => continue,
                status => status,
            };
            let announcement = member.announcement();
            members.push(cluster_member(node_id, status, id, announcement));
        }
        let mut view = ClusterView {
            peers: Arc::new(peers.into_iter().collect()),
            members,
            stats: Arc::new(self.stats()),
            rivals,
            ..ClusterView::default()
        };
        let has_other_policy = |member: &&ClusterMember| {
            let policies = member.policy.as_deref().zip(own_policy);
            policies.is_some_and(|(theirs, own)| theirs != own)
        };
        let mismatches = view.alive().filter(has_other_policy);
        view.policy_mismatches = mismatches.map(|member| member.node_id).collect();
        (view, again_in)
    }

    /// Returns the members of each other node, in ascending order of generation, without those whose
    /// address has had a newer live one with a record.
    fn lives(&self, now: Instant) -> BTreeMap<u64, Vec<Life<'_>>> {
        let mut nodes: BTreeMap<u64, Vec<Life<'_>>> = BTreeMap::new();
        for life in &self.members {
            if let Some(node_id) = node_id_of(&life.0.node_id)
                && node_id != self.own_node_id
            {
                nodes.entry(node_id).or_default().push(life);
            }
        }
        let still_for = |member: &KnownMember| {
            now.saturating_duration_since(member.risen_at.unwrap_or(member.since))
        };
        for lives in nodes.values_mut() {
            lives.sort_by_key(|(id, _)| *id);
            let newer = lives.clone();
            lives.retain(|(id, _)| {
                !newer.iter().any(|(other, member)| {
                    other > id
                        && other.gossip_advertise_addr == id.gossip_advertise_addr
                        && member.was_live
                        && member.record.is_some()
                        && (member.is_live || still_for(member) < self.former_for)
                })
            });
        }
        nodes
    }

    /// Returns `true` if the failure detector has judged a member, or had the time to do so.
    fn is_judged(&self, member: &KnownMember, now: Instant) -> bool {
        member.was_live || now.saturating_duration_since(member.since) >= self.awaited_for
    }

    /// Returns `true` if this member knows the cluster that it has heard since `heard_at`: each node's
    /// record is here and is judged, with the values that stood then. Nodes that leave, and those that
    /// appear too late, do not count.
    pub(crate) fn is_complete(&self, heard_at: Instant, now: Instant) -> bool {
        let is_met = |member: &KnownMember| member.was_live && member.record.is_some();
        self.lives(now).values().all(|lives| {
            let Some((id, newest)) = lives.last() else {
                return true;
            };
            let waited = now.saturating_duration_since(newest.since);
            let appeared_after = newest.since.saturating_duration_since(heard_at);
            // A member without a record waits for another one with its id.
            let stands_in = |(other, member): &Life<'_>| {
                newest.record.is_none()
                    && other.gossip_advertise_addr != id.gossip_advertise_addr
                    && is_met(member)
                    && member.has_arrived
            };
            let is_known = if is_met(newest) {
                newest.has_arrived || waited >= self.values_for
            } else {
                waited >= self.awaited_for || lives.iter().any(stands_in)
            };
            is_known || newest.is_leaving() || appeared_after >= self.awaited_for
        })
    }

    /// Returns `true` if a silent member said that it leaves.
    pub(crate) fn has_left(&self, peer: &KnownPeer) -> bool {
        let id = ChitchatId::new(PeerInfo::key(peer.node_id), peer.generation, peer.address);
        self.members.get(&id).is_some_and(KnownMember::is_leaving)
    }

    pub(crate) fn live_nodes(&self) -> BTreeSet<u64> {
        let live = self.members.iter().filter(|(_, member)| member.is_live);
        live.filter_map(|(id, _)| node_id_of(&id.node_id)).collect()
    }

    /// Returns the members elsewhere that have this node's id and do not leave.
    pub(crate) fn own_rivals(&self, own: &ChitchatId, now: Instant) -> Vec<Rival> {
        let is_rival = |(id, member): &Life<'_>| {
            id.node_id == own.node_id
                && id.gossip_advertise_addr != own.gossip_advertise_addr
                && !member.is_leaving()
        };
        let rival = |(id, member): Life<'_>| Rival {
            id: id.clone(),
            has_record: member.record.is_some(),
            has_risen: member.risen_at.is_some(),
            still_for: now.saturating_duration_since(member.risen_at.unwrap_or(member.since)),
        };
        self.members.iter().filter(is_rival).map(rival).collect()
    }

    /// Returns the counters of the other nodes, each from its latest generation that has published some; from one that
    /// stays, if another member has its id and leaves.
    fn stats(&self) -> BTreeMap<u64, PublishedStats> {
        let mut counting = BTreeMap::new();
        for (id, member) in &self.members {
            let (Some(node_id), Some(stats)) = (node_id_of(&id.node_id), member.stats.1) else {
                continue;
            };
            if member.record.is_none() {
                continue;
            }
            let rank = (member.is_live && !member.is_leaving(), id);
            let best = counting.entry(node_id).or_insert((rank, stats));
            if best.0 < rank {
                *best = (rank, stats);
            }
        }
        counting.remove(&self.own_node_id);
        let counting = counting.into_iter();
        counting
            .map(|(node_id, (_, stats))| (node_id, stats))
            .collect()
    }
}

impl KnownMember {
    fn new(heartbeat: Heartbeat, since: Instant) -> Self {
        Self {
            is_live: false,
            was_live: false,
            has_arrived: false,
            since,
            heartbeat,
            risen_at: None,
            max_version: Version::default(),
            record: None,
            stats: (Version::default(), None),
            foreign_version: Version::default(),
        }
    }

    /// Returns the content of the record, if it is valid.
    fn announcement(&self) -> Option<&Announcement> {
        self.record.as_ref()?.1.as_ref()
    }

    fn is_leaving(&self) -> bool {
        self.announcement().is_some_and(|it| it.leaving)
    }

    /// Returns `true` if the heartbeat has risen within the time after which a still one frees its id.
    fn has_risen_within(&self, interval: Duration, now: Instant) -> bool {
        let watch = interval.saturating_mul(WATCH_INTERVALS);
        let still_for = |at| now.saturating_duration_since(at);
        self.risen_at.is_some_and(|at| still_for(at) < watch)
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

fn shorter(wait: Option<Duration>, other: Duration) -> Option<Duration> {
    Some(wait.map_or(other, |wait| wait.min(other)))
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
