//! Which members count as peers: the rules, on plain values and without a clock or lock of its own.
//!
//! Gossip shows several members of one node (a restarted node is live under two generations for a
//! while), members whose record has not arrived, and members that say what they must not. The
//! directory reads a record once per version and keeps the verdict as long as its member is live.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chitchat::{ChitchatId, NodeState, Version};
use tokio::sync::watch;
use tokio::time::Instant;

use super::bad_records::{BadRecord, BadRecords, excerpt};
use super::info::{KEY_PREFIX, NodeRecord, check_size, node_id_of};
use super::topology::Neighbour;
use super::{ClusterMember, InfoError, MemberStatus, PeerInfo, Peers};

#[cfg(test)]
mod tests;

/// How far a generation may be ahead of the local clock. A node whose clock once ran far ahead
/// would otherwise stay the highest of its generations for as long.
pub(super) const AHEAD_MAX: Duration = Duration::from_secs(5 * 60);

/// For how many intervals after a generation was seen a lower one of its node is a ghost, should it
/// be live: a member that lived for moments only takes forty intervals to be found dead, and one that
/// came after it and lived for longer takes less.
const GHOST_INTERVALS: u32 = 60;
/// The least of it: the failure detector is no quicker where intervals are short.
const GHOST_MIN: Duration = Duration::from_secs(12);

/// For how many intervals a member that was never live here is awaited before it counts as dead: all that
/// were heard of and not yet from are silent at first.
const AWAITED_INTERVALS: u32 = 15;
/// How often dead members are looked at, which are forgotten without a word.
const DEAD_AGAIN: Duration = Duration::from_secs(10);

/// How many keys of other members are looked at, a member and a pass.
const OTHERS_KEYS_MAX: usize = 8;

/// Whether a member is heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Liveness {
    Live,
    /// It is not heard of any more, or not yet.
    Silent,
}

/// What was read of one member while chitchat's state was locked.
#[derive(Debug)]
pub(super) struct MemberReading {
    pub(super) id: ChitchatId,
    pub(super) liveness: Liveness,
    pub(super) record: RecordReading,
    /// Keys of other members that this one has written to, as excerpts.
    pub(super) others_keys: Vec<(String, Version)>,
}

/// What was read of a member's own record.
#[derive(Debug)]
pub(super) enum RecordReading {
    /// There is none yet, or not any more.
    Absent,
    /// The version that the directory knows already.
    Known,
    /// A version that the directory has not seen. A value over the limit is not copied.
    New(Version, Result<String, InfoError>),
}

/// The time, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// In nanoseconds since the Unix epoch, as generations count.
    pub(super) unix_ns: u64,
    pub(super) instant: Instant,
}

/// What the directory made of all readings.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) peers: Peers,
    /// Where the peers are, in the same order.
    pub(super) neighbours: Vec<Neighbour>,
    /// Nodes that said that they are about to stop, ascending.
    pub(super) leaving: Vec<u64>,
    /// Another live member that has this node's id and a higher generation.
    pub(super) duplicate_node: Option<SocketAddr>,
    /// All other members, ascending by node id.
    pub(super) members: Vec<ClusterMember>,
    /// Live agents that judge labels by another component, or with other settings, ascending.
    pub(super) policy_mismatches: Vec<u64>,
    /// When to look again even if nothing happens: a generation was too far ahead until then.
    pub(super) again_in: Option<Duration>,
}

/// The verdicts on all members.
#[derive(Debug)]
pub(super) struct Directory {
    own_node_id: u64,
    own_policy: watch::Receiver<Option<String>>,
    /// This member, once it has started.
    own: Option<ChitchatId>,
    members: HashMap<ChitchatId, KnownMember>,
    /// Of each node the highest generation that was chosen, and when last.
    newest: BTreeMap<u64, Newest>,
    /// How long a lower generation is taken for a ghost.
    ghost_for: Duration,
    /// How long a member that was never live is awaited.
    awaited_for: Duration,
    bad: BadRecords,
}

#[derive(Debug, Clone, Copy)]
struct Newest {
    generation: u64,
    chosen_at: Instant,
}

#[derive(Debug)]
struct KnownMember {
    liveness: Liveness,
    /// Whether it was ever live.
    was_live: bool,
    /// When it was first heard of.
    since: Instant,
    /// Version of the record and what it holds if it can be trusted; `None` without a record.
    record: Option<(Version, Option<Announced>)>,
    /// The highest version of another member's key that was reported.
    others_version: Version,
}

/// What a member says of its node.
#[derive(Debug, Clone)]
struct Announced {
    info: Arc<PeerInfo>,
    leaving: bool,
    policy: Option<Arc<str>>,
}

impl Directory {
    /// `interval` is the time between two rounds.
    pub(super) fn new(
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
            newest: BTreeMap::new(),
            awaited_for: interval.saturating_mul(AWAITED_INTERVALS),
            ghost_for: interval.saturating_mul(GHOST_INTERVALS).max(GHOST_MIN),
            bad,
        }
    }

    /// Begins a new membership of this node.
    pub(super) fn begin(&mut self, own: ChitchatId) {
        self.own = Some(own);
    }

    /// Copies what is new about a member. Called under chitchat's lock, so nothing is decoded.
    pub(super) fn read(&self, state: &NodeState, liveness: Liveness) -> MemberReading {
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
        let reported = known.map_or(0, |member| member.others_version);
        let others_keys = state
            .iter_prefix(KEY_PREFIX)
            .filter(|(key, value)| !(is_node && *key == name) && value.version > reported)
            .take(OTHERS_KEYS_MAX)
            .map(|(key, value)| (excerpt(key), value.version))
            .collect();
        MemberReading {
            id: id.clone(),
            liveness,
            record,
            others_keys,
        }
    }

    /// Judges the readings of all members; a member that is not among them is forgotten.
    pub(super) fn update(&mut self, readings: Vec<MemberReading>, now: Now) -> Listing {
        let mut members = HashMap::with_capacity(readings.len());
        for reading in readings {
            let known = self.members.remove(&reading.id);
            let mut member = known.unwrap_or_else(|| KnownMember::new(now.instant));
            member.liveness = reading.liveness;
            member.was_live |= reading.liveness == Liveness::Live;
            self.judge(&mut member, &reading);
            members.insert(reading.id, member);
        }
        self.members = members;
        self.select(now)
    }

    fn judge(&mut self, member: &mut KnownMember, reading: &MemberReading) {
        match &reading.record {
            RecordReading::Absent => member.record = None,
            RecordReading::Known => {}
            RecordReading::New(version, value) => {
                let verdict = trusted(&reading.id, value.as_deref());
                if let Err(bad) = &verdict {
                    self.bad.report(&reading.id, *version, bad);
                }
                member.record = Some((*version, verdict.ok()));
            }
        }
        for (key, version) in &reading.others_keys {
            let bad = BadRecord::OthersKey { key: key.clone() };
            self.bad.report(&reading.id, *version, &bad);
            member.others_version = member.others_version.max(*version);
        }
    }

    /// Of each node the highest generation that has a record, whatever is in it: an older one must
    /// not come back because the newer one cannot be read.
    fn select(&mut self, now: Now) -> Listing {
        let ahead_max = u64::try_from(AHEAD_MAX.as_nanos()).unwrap_or(u64::MAX);
        let horizon = now.unix_ns.saturating_add(ahead_max);
        let mut again_in: Option<Duration> = None;
        let mut duplicate_node = None;
        let mut chosen: BTreeMap<u64, (&ChitchatId, Option<&Announced>)> = BTreeMap::new();
        for (id, member) in &self.members {
            let (Some(node_id), Some((_, announced))) = (node_id_of(&id.node_id), &member.record)
            else {
                continue;
            };
            if member.liveness == Liveness::Silent {
                continue;
            }
            if id.generation_id > horizon {
                let wait = Duration::from_nanos(id.generation_id.saturating_sub(horizon));
                again_in = Some(again_in.map_or(wait, |earlier| earlier.min(wait)));
                continue;
            }
            if node_id == self.own_node_id {
                duplicate_node = duplicate_node.or_else(|| self.duplicate_node(id));
                continue;
            }
            let candidate = (id, announced.as_ref());
            chosen
                .entry(node_id)
                .and_modify(|best| {
                    if best.0 < id {
                        *best = candidate;
                    }
                })
                .or_insert(candidate);
        }
        let age = |newest: &Newest| now.instant.saturating_duration_since(newest.chosen_at);
        self.newest.retain(|_, newest| age(newest) < self.ghost_for);
        for (node_id, (id, _)) in &chosen {
            let newest = self.newest.entry(*node_id).or_insert(Newest {
                generation: id.generation_id,
                chosen_at: now.instant,
            });
            if id.generation_id >= newest.generation {
                newest.generation = id.generation_id;
                newest.chosen_at = now.instant;
            } else {
                let wait = self.ghost_for.saturating_sub(age(newest));
                again_in = Some(again_in.map_or(wait, |earlier| earlier.min(wait)));
            }
        }
        let newest = &self.newest;
        let is_ghost = |node_id: &u64, id: &ChitchatId| {
            newest
                .get(node_id)
                .is_some_and(|newest| id.generation_id < newest.generation)
        };
        let known = chosen
            .into_iter()
            .filter(|(node_id, (id, _))| !is_ghost(node_id, id))
            .filter_map(|(node_id, (id, announced))| Some((node_id, id, announced?)));
        let (leaving, staying): (Vec<_>, Vec<_>) =
            known.partition(|(_, _, announced)| announced.leaving);
        let here = [
            (MemberStatus::Alive, &staying),
            (MemberStatus::Leaving, &leaving),
        ];
        let mut members: BTreeMap<_, _> = here
            .into_iter()
            .flat_map(|(status, known)| known.iter().map(move |known| (status, known)))
            .map(|(status, (node_id, id, announced))| {
                (*node_id, shown(*node_id, status, id, Some(announced)))
            })
            .collect();
        if let Some(wait) = self.add_dead(&mut members, now) {
            again_in = Some(again_in.map_or(wait, |earlier| earlier.min(wait)));
        }
        Listing {
            peers: Peers::from_ascending(staying.iter().map(|(_, _, a)| Arc::clone(&a.info))),
            neighbours: staying
                .iter()
                .map(|(node_id, id, announced)| Neighbour {
                    node_id: *node_id,
                    address: id.gossip_advertise_addr,
                    is_agent: announced.policy.is_some(),
                })
                .collect(),
            policy_mismatches: staying
                .iter()
                .filter(|(_, _, announced)| self.judges_otherwise(announced))
                .map(|(node_id, _, _)| *node_id)
                .collect(),
            leaving: leaving.iter().map(|(node_id, _, _)| *node_id).collect(),
            duplicate_node,
            members: members.into_values().collect(),
            again_in,
        }
    }

    /// Adds the nodes of which no member is heard any more. Answers when to look again.
    fn add_dead(&self, members: &mut BTreeMap<u64, ClusterMember>, now: Now) -> Option<Duration> {
        let mut silent: Vec<_> = self
            .members
            .iter()
            .filter(|(_, member)| member.liveness == Liveness::Silent)
            .filter_map(|(id, member)| Some((node_id_of(&id.node_id)?, id, member)))
            .filter(|(node_id, _, _)| *node_id != self.own_node_id)
            .filter(|(node_id, _, _)| !members.contains_key(node_id))
            .collect();
        let again_in = (!silent.is_empty()).then_some(DEAD_AGAIN.min(self.awaited_for));
        silent.retain(|(_, _, member)| {
            let awaited = now.instant.saturating_duration_since(member.since);
            member.was_live || awaited >= self.awaited_for
        });
        // The latest of several lives comes last, and is the one that stays.
        silent.sort_by_key(|(_, id, _)| id.generation_id);
        for (node_id, id, member) in silent {
            let announced = member.record.as_ref().and_then(|(_, said)| said.as_ref());
            members.insert(node_id, shown(node_id, MemberStatus::Dead, id, announced));
        }
        again_in
    }

    /// Waits until this node's component is another.
    pub(super) async fn policy_changed(&mut self) {
        if self.own_policy.changed().await.is_err() {
            // There is nobody left who could change it.
            std::future::pending::<()>().await;
        }
    }

    fn judges_otherwise(&self, announced: &Announced) -> bool {
        let own = self.own_policy.borrow();
        let policies = (announced.policy.as_deref(), own.as_deref());
        matches!(policies, (Some(theirs), Some(own)) if theirs != own)
    }

    /// The address of a member with this node's id, if it was started later and elsewhere.
    fn duplicate_node(&self, id: &ChitchatId) -> Option<SocketAddr> {
        let own = self.own.as_ref()?;
        let is_rival = id.generation_id > own.generation_id
            && id.gossip_advertise_addr != own.gossip_advertise_addr;
        is_rival.then_some(id.gossip_advertise_addr)
    }
}

impl KnownMember {
    fn new(since: Instant) -> Self {
        Self {
            liveness: Liveness::Silent,
            was_live: false,
            since,
            record: None,
            others_version: Version::default(),
        }
    }
}

fn shown(
    node_id: u64,
    status: MemberStatus,
    id: &ChitchatId,
    announced: Option<&Announced>,
) -> ClusterMember {
    let policy = announced.and_then(|announced| announced.policy.as_deref());
    ClusterMember {
        node_id,
        status,
        address: id.gossip_advertise_addr,
        generation: id.generation_id,
        policy: policy.map(str::to_owned),
    }
}

/// The record in a value, if it says what its member may say.
fn trusted(id: &ChitchatId, value: Result<&str, &InfoError>) -> Result<Announced, BadRecord> {
    let NodeRecord {
        info,
        leaving,
        policy,
    } = NodeRecord::decode(value.map_err(InfoError::clone)?)?;
    if node_id_of(&id.node_id) != Some(info.node_id) {
        return Err(BadRecord::OtherNode {
            claimed: info.node_id,
        });
    }
    Ok(Announced {
        info: Arc::new(info),
        leaving,
        policy: policy.map(Arc::from),
    })
}
