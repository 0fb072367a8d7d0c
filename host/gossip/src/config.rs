//! What a pool is started with, and the rules that it must keep.
//!
//! Everything is checked before a socket is opened: a node that starts with a wrong address or an
//! unreachable seed looks healthy to itself and is missed by everybody else.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chitchat::{ChitchatConfig, ChitchatId, FailureDetectorConfig, ProtocolVersion};

#[cfg(any(test, feature = "simulation"))]
use super::SimulatedNetwork;
use super::{GossipError, GossipMemory, Keyring, PeerInfo, ProcessMemory, PushBudget};

#[cfg(test)]
mod tests;

/// The shortest interval: below, a round would last as long as the pause after it.
const INTERVAL_MIN: Duration = Duration::from_millis(10);
/// The longest interval: heartbeats further apart than 10 s do not count for the failure detector.
const INTERVAL_MAX: Duration = Duration::from_secs(5);
/// The shortest time that a dead member is remembered: less, and a short pause forgets members.
const GRACE_MIN: Duration = Duration::from_secs(10);
/// The longest time that a dead member is remembered: chitchat's own default.
const GRACE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// The cluster id travels in every first message of a round, beside the digest that needs the room.
const CLUSTER_ID_BYTES_MAX: usize = 128;
/// What the failure detector takes for the usual time between two heartbeats of a member that it
/// hardly knows, in intervals: chitchat's own five seconds are for one second.
const INITIAL_INTERVALS: u32 = 5;
/// The least of it: on a busy machine short intervals are not kept.
const INITIAL_INTERVAL_MIN: Duration = Duration::from_secs(1);
/// The longest host name that the domain name system knows.
const HOST_BYTES_MAX: usize = 253;

/// How long chitchat remembers deleted keys. Nothing of ours is ever deleted; other software's may.
const TOMBSTONE_GRACE: Duration = Duration::from_secs(60 * 60);

/// Settings of a [`GossipPool`](super::GossipPool).
///
/// [`GossipConfig::new`] takes what has no default; the other fields may be changed afterwards.
#[derive(Debug, Clone)]
pub struct GossipConfig {
    /// What this node announces first. Its `node_id` is the pool's for good; its labels are those
    /// of other software, the component's come with `publish_labels`.
    pub self_info: PeerInfo,
    /// Name of the cluster. Members of other clusters are turned away. 1 to 128 bytes, no control
    /// characters.
    pub cluster_id: String,
    /// The local UDP address to listen on. Port 0 takes a free port, which is then advertised.
    pub listen: SocketAddr,
    /// The address under which peers reach this node. Default: the address that was bound. Needed
    /// where `listen` is `0.0.0.0` or `[::]`; with port 0 it takes the bound port.
    pub advertise: Option<SocketAddr>,
    /// Members to ask first, as `host:port`. Names are resolved again every minute, so a name may
    /// stand for a changing set of members. Default: none, others will call. A few, the same on
    /// all nodes, are enough.
    pub seeds: Vec<String>,
    /// Time between two rounds of gossip. A label reaches 100 nodes within about one and a half
    /// intervals. 10 ms to 5 s, default 1 s as ZLayer's; all members should use the same.
    pub interval: Duration,
    /// The component's labels to begin with: those of before a restart, so that peers do not see
    /// them go and come again. Default: none.
    pub labels: BTreeMap<String, String>,
    /// What decides about labels on this node, as a short digest: members whose digests differ may
    /// judge labels differently. Having one marks an agent, which carries decisions for others.
    /// Default: none.
    pub policy: Option<String>,
    /// Seals all datagrams with the first of these keys, and takes none that is sealed with none of
    /// them. Default: none, datagrams are plain.
    pub keyring: Option<Keyring>,
    /// The format of digests. Default: [`Protocol::V0`].
    pub protocol: Protocol,
    /// What may be spent on telling others of changes at once.
    pub push: PushBudget,
    /// Where the generations and the addresses of peers are remembered. Default: in the process; an
    /// agent that comes back as the same node needs its store here.
    pub memory: Arc<dyn GossipMemory>,
    /// What datagrams travel over. Default: UDP.
    pub network: Network,
    /// How long a dead member is remembered, for half of which it is still part of every message.
    /// 10 s to 24 h, default 4 minutes: at a restart of a large cluster the dead members must not
    /// fill the messages. Longer survives longer partitions.
    pub dead_node_grace_period: Duration,
}

/// The format of the digest of all members that begins every round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// As it is. The only one that ZLayer's nodes read; room for about 600 members.
    #[default]
    V0,
    /// Compressed, for clusters of agents only; room for about 2,000 members.
    V1,
}

impl From<Protocol> for ProtocolVersion {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::V0 => Self::V0,
            Protocol::V1 => Self::V1,
        }
    }
}

/// What datagrams travel over.
#[derive(Debug, Clone)]
pub enum Network {
    /// UDP sockets of the system.
    Udp,
    /// A network in memory, for tests. Its datagrams are never sealed. Needs the cargo feature
    /// `simulation`.
    #[cfg(any(test, feature = "simulation"))]
    Simulated(SimulatedNetwork),
}

impl GossipConfig {
    /// The settings for a node, with defaults for all that has one.
    #[must_use]
    pub fn new(self_info: PeerInfo, cluster_id: impl Into<String>, listen: SocketAddr) -> Self {
        Self {
            self_info,
            cluster_id: cluster_id.into(),
            listen,
            advertise: None,
            seeds: Vec::new(),
            interval: Duration::from_secs(1),
            labels: BTreeMap::new(),
            policy: None,
            keyring: None,
            protocol: Protocol::V0,
            push: PushBudget::default(),
            memory: Arc::new(ProcessMemory::default()),
            network: Network::Udp,
            dead_node_grace_period: Duration::from_secs(4 * 60),
        }
    }

    /// Checks everything that can be known before the socket is bound.
    pub fn validate(&self) -> Result<(), GossipError> {
        check_cluster_id(&self.cluster_id)?;
        check_range("interval", self.interval, INTERVAL_MIN, INTERVAL_MAX)?;
        check_range(
            "dead_node_grace_period",
            self.dead_node_grace_period,
            GRACE_MIN,
            GRACE_MAX,
        )?;
        let address = self.advertise.unwrap_or(self.listen);
        if !is_reachable(address.ip()) {
            return Err(GossipError::NotAdvertisable { address });
        }
        self.seeds.iter().try_for_each(|seed| check_seed(seed))
    }

    /// The address to advertise once the socket is bound.
    pub(super) fn advertised(&self, bound: SocketAddr) -> SocketAddr {
        let mut address = self.advertise.unwrap_or(bound);
        if address.port() == 0 {
            address.set_port(bound.port());
        }
        address
    }

    /// The same settings in chitchat's words.
    pub(super) fn chitchat(&self, chitchat_id: ChitchatId) -> ChitchatConfig {
        ChitchatConfig {
            chitchat_id,
            cluster_id: self.cluster_id.clone(),
            gossip_interval: self.interval,
            listen_addr: self.listen,
            seed_nodes: self.seeds.clone(),
            failure_detector_config: FailureDetectorConfig {
                initial_interval: self
                    .interval
                    .saturating_mul(INITIAL_INTERVALS)
                    .max(INITIAL_INTERVAL_MIN),
                dead_node_grace_period: self.dead_node_grace_period,
                ..FailureDetectorConfig::default()
            },
            marked_for_deletion_grace_period: TOMBSTONE_GRACE,
            catchup_callback: None,
            // Heartbeats can arrive before values: without its record a member is not live to us.
            extra_liveness_predicate: Some(Box::new(|state| {
                state.contains_key(&state.chitchat_id().node_id)
            })),
            protocol_version: self.protocol.into(),
        }
    }
}

/// The time as generations count it: nanoseconds since the Unix epoch.
pub(super) fn now_ns() -> u64 {
    u64::try_from(since_epoch().as_nanos()).unwrap_or(u64::MAX)
}

/// Milliseconds since the Unix epoch.
pub(super) fn now_ms() -> u64 {
    u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
}

fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

fn check_cluster_id(cluster_id: &str) -> Result<(), GossipError> {
    let fits = (1..=CLUSTER_ID_BYTES_MAX).contains(&cluster_id.len());
    if fits && !cluster_id.contains(char::is_control) {
        return Ok(());
    }
    Err(GossipError::Setting {
        setting: "cluster_id",
        rule: format!("1 to {CLUSTER_ID_BYTES_MAX} bytes without control characters"),
    })
}

fn check_range(
    setting: &'static str,
    value: Duration,
    min: Duration,
    max: Duration,
) -> Result<(), GossipError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(GossipError::Setting {
        setting,
        rule: format!("{min:?} to {max:?}, not {value:?}"),
    })
}

fn check_seed(seed: &str) -> Result<(), GossipError> {
    let valid = match seed.parse::<SocketAddr>() {
        Ok(address) => address.port() != 0 && is_reachable(address.ip()),
        Err(_) => is_host_and_port(seed),
    };
    if valid {
        return Ok(());
    }
    Err(GossipError::Seed {
        seed: seed.to_owned(),
    })
}

/// A datagram to the unspecified address goes to the sender itself.
fn is_reachable(ip: IpAddr) -> bool {
    !ip.to_canonical().is_unspecified()
}

/// Whether this is a name that could be looked up, and a port that could be sent to. A bare IPv6
/// address is refused, since its last group could be meant as the port.
fn is_host_and_port(seed: &str) -> bool {
    let Some((host, port)) = seed.rsplit_once(':') else {
        return false;
    };
    let host_is_name = (1..=HOST_BYTES_MAX).contains(&host.len())
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    let port_is_number = port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port != 0);
    host_is_name && port_is_number
}
