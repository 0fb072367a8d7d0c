//! The settings of a pool, and their validation.
//!
//! All settings are checked before a socket is opened: a node with a wrong address or an unreachable
//! seed looks healthy to itself while all other nodes miss it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use chitchat::{ChitchatConfig, ChitchatId, FailureDetectorConfig, ProtocolVersion};

use crate::error::GossipError;
use crate::info::NodeRecord;
use crate::keyring::Keyring;
use crate::memory::{GossipMemory, ProcessMemory};
use crate::push::PushBudget;
#[cfg(any(test, feature = "simulation"))]
use crate::simulated::SimulatedNetwork;
use crate::transport::GossipTransport;
use edge_cache_core::PeerInfo;

#[cfg(test)]
mod tests;

/// Intervals. A round itself takes up a shorter one; the failure detector ignores heartbeats more than 10 s apart.
pub const INTERVALS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(5);
/// Grace periods of dead members. A shorter one forgets members during short pauses; the longest is chitchat's default.
pub const GRACE_PERIODS: RangeInclusive<Duration> =
    Duration::from_secs(10)..=Duration::from_secs(24 * 60 * 60);
/// Join timeouts.
pub const JOIN_TIMEOUTS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(10 * 60);
/// Number of times between heartbeats that the failure detector keeps of each member. chitchat's default of 1,000 lets it
/// expect the next heartbeat as soon as pushed changes brought the last ones, and takes 8 KB a member.
const HEARTBEATS_KEPT: usize = 1;
/// The silence after which a member counts as failed, in means of the times kept, into which chitchat mixes the initial
/// interval five times. With one time kept, that is five initial intervals more than the last heartbeat took to come.
const PHI_MAX: f64 = 6.0;
/// Minimum of the initial interval, which is the interval of gossip otherwise: a busy machine does not keep short ones.
const INITIAL_INTERVAL_MIN: Duration = Duration::from_millis(500);
/// Time for which chitchat remembers deleted keys. Agents delete none, other software may.
const TOMBSTONE_GRACE: Duration = Duration::from_secs(60 * 60);

/// Maximum length of a cluster name. It is part of the first message of every round, beside the
/// digest.
const CLUSTER_ID_BYTES_MAX: usize = 128;
/// Maximum length of a host name in the domain name system.
const HOST_BYTES_MAX: usize = 253;

/// Settings of a [`GossipPool`](crate::GossipPool).
///
/// [`GossipConfig::new`] takes the settings without a default. Other fields can be set afterwards.
#[derive(Debug, Clone)]
pub struct GossipConfig {
    /// First announcement of this node. Its `node_id` cannot change later. Its labels are those of
    /// other software: the plugin's labels are set with `publish_labels`.
    pub self_info: PeerInfo,
    /// Name of the cluster, 1 to 128 bytes without control characters. Members with another name
    /// are refused.
    pub cluster_id: String,
    /// Local UDP address to listen on. With port 0 the system chooses a free port.
    pub listen: SocketAddr,
    /// Address under which peers reach this node. Default: the bound address. Required if `listen`
    /// is `0.0.0.0` or `[::]`. Port 0 is replaced by the bound port.
    pub advertise: Option<SocketAddr>,
    /// Members to contact first, as `host:port`. Names are resolved every minute. A few seeds are
    /// enough, the same on all nodes. Default: none, other members call this one.
    pub seeds: Vec<String>,
    /// Time between two gossip rounds, 10 ms to 5 s. Default: 1 s, as in ZLayer. All members should
    /// use the same. Without eager push, a label reaches 100 nodes in about 1.5 intervals.
    pub interval: Duration,
    /// Initial labels of the plugin: those from before a restart, so that peers see no gap.
    /// Default: none.
    pub labels: BTreeMap<String, String>,
    /// Policy digest: identifies the plugin and its settings. Agents with different digests may
    /// judge labels differently. A digest marks a member as an agent, which replicates decisions.
    /// Default: none.
    pub policy: Option<String>,
    /// Text that follows the policy digest: other settings that all agents must share. Default: none.
    pub policy_suffix: String,
    /// Keys for encrypting datagrams. The first one encrypts, all of them decrypt, and datagrams
    /// under other keys are dropped. Default: none, datagrams are plain.
    pub keyring: Option<Keyring>,
    /// Digest format. Default: [`Protocol::V0`].
    pub protocol: Protocol,
    /// Limits of eager push.
    pub push: PushBudget,
    /// Storage of generations and known peers. Default: in memory. A node that restarts with the
    /// same id needs durable storage.
    pub memory: Arc<dyn GossipMemory>,
    /// Network that carries datagrams. Default: UDP.
    pub network: Network,
    /// Time for which a dead member is remembered, 10 s to 24 h. Default: 4 minutes. Dead members
    /// are part of every message for half of it, and must not fill messages when a large cluster
    /// restarts. A longer period survives longer partitions.
    pub dead_node_grace_period: Duration,
    /// Limit of the memory that the states of all members take together. Default: 128 MiB.
    pub state_bytes: usize,
    /// Time for which a starting member waits to hear from another one, up to 10 minutes. Default:
    /// 10 s. After that it is alone.
    pub join_timeout: Duration,
    /// Number of live peers below which a member is not ready. Default: 0.
    pub peers_min: usize,
}

/// Format of the digest of all members, which begins every round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Uncompressed, up to about 600 members. The only format that ZLayer's nodes read.
    #[default]
    V0,
    /// Compressed, up to about 2,000 members. For clusters of agents only.
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

/// Network that carries datagrams.
#[derive(Debug, Clone)]
pub enum Network {
    /// UDP sockets of the system.
    Udp,
    /// A network in memory, for tests. Needs the cargo feature `simulation`.
    #[cfg(any(test, feature = "simulation"))]
    Simulated(SimulatedNetwork),
}

impl Network {
    /// Returns the transport of a network that carries messages instead of datagrams.
    pub(crate) fn messages(&self) -> Option<Box<dyn GossipTransport>> {
        match self {
            Self::Udp => None,
            #[cfg(any(test, feature = "simulation"))]
            Self::Simulated(network) => Some(Box::new(network.messages()?)),
        }
    }
}

impl GossipConfig {
    /// Creates settings with defaults for all optional fields.
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
            policy_suffix: String::new(),
            keyring: None,
            protocol: Protocol::V0,
            push: PushBudget::default(),
            memory: Arc::new(ProcessMemory::default()),
            network: Network::Udp,
            dead_node_grace_period: Duration::from_secs(4 * 60),
            state_bytes: 128 * 1024 * 1024,
            join_timeout: Duration::from_secs(10),
            peers_min: 0,
        }
    }

    /// Checks the settings, as far as possible without binding a socket.
    ///
    /// # Errors
    ///
    /// [`GossipError::Setting`], [`GossipError::NotAdvertisable`], [`GossipError::Seed`] or [`GossipError::Info`].
    pub fn validate(&self) -> Result<(), GossipError> {
        check_cluster_id(&self.cluster_id)?;
        let grace = self.dead_node_grace_period;
        check_range("interval", self.interval, INTERVALS)?;
        check_range("dead_node_grace_period", grace, GRACE_PERIODS)?;
        check_range("join_timeout", self.join_timeout, JOIN_TIMEOUTS)?;
        let address = self.advertise.unwrap_or(self.listen);
        if !is_reachable(address.ip()) {
            return Err(GossipError::NotAdvertisable { address });
        }
        self.seeds.iter().try_for_each(|seed| check_seed(seed))?;
        NodeRecord::from(self.self_info.clone()).encode()?;
        Ok(())
    }

    /// Returns the address to advertise for a bound socket.
    pub(crate) fn advertised(&self, bound: SocketAddr) -> SocketAddr {
        let mut address = self.advertise.unwrap_or(bound);
        if address.port() == 0 {
            address.set_port(bound.port());
        }
        address
    }

    /// Converts the settings for chitchat.
    pub(crate) fn chitchat(&self, chitchat_id: ChitchatId) -> ChitchatConfig {
        ChitchatConfig {
            chitchat_id,
            cluster_id: self.cluster_id.clone(),
            gossip_interval: self.interval,
            listen_addr: self.listen,
            seed_nodes: self.seeds.clone(),
            failure_detector_config: FailureDetectorConfig {
                initial_interval: self.interval.max(INITIAL_INTERVAL_MIN),
                sampling_window_size: HEARTBEATS_KEPT,
                phi_threshold: PHI_MAX,
                dead_node_grace_period: self.dead_node_grace_period,
                ..FailureDetectorConfig::default()
            },
            marked_for_deletion_grace_period: TOMBSTONE_GRACE,
            catchup_callback: None,
            // Heartbeats can arrive before values. A member counts as live once its record is here.
            extra_liveness_predicate: Some(Box::new(|state| {
                state.contains_key(&state.chitchat_id().node_id)
            })),
            protocol_version: self.protocol.into(),
        }
    }
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
    allowed: RangeInclusive<Duration>,
) -> Result<(), GossipError> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let (min, max) = allowed.into_inner();
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

/// Returns `false` for addresses that no single host has. A datagram to the unspecified one returns to the sender.
fn is_reachable(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    !ip.is_unspecified() && !ip.is_multicast() && ip != IpAddr::V4(Ipv4Addr::BROADCAST)
}

/// Checks for a host name and a port. A bare IPv6 address is refused: its last group could be meant
/// as the port.
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
