//! Cluster membership, node labels and decisions over the gossip protocol of chitchat.
//!
//! A [`GossipPool`] is one member of one cluster. It announces this node's [`PeerInfo`], keeps a
//! [`Peers`] snapshot of the other live members that readers load without waiting, and reports
//! changes as [`TopologyEvents`]. The wire format is that of ZLayer's nodes, so agents and ZLayer
//! nodes can share a cluster.
//!
//! This crate alone depends on chitchat. It does not interpret labels or decisions, and it publishes
//! node info for its own node only. A malformed record affects only the node that wrote it.
//!
//! Changes are event-driven: chitchat reports changed keys and changed liveness. Timers cover what
//! chitchat does not report: silent members that it forgets (checked every 10 seconds while there are
//! any), peers that are missing (called every 5 to 30 seconds), live peers (noted every hour), and rising
//! heartbeats (checked every interval while this member joins, or another one has the same node id).
//!
//! # Example
//!
//! Two members on loopback:
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::time::Duration;
//!
//! use edge_cache_gossip::{GossipConfig, GossipPool, PeerInfo};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listen = "127.0.0.1:0".parse()?;
//! let mut config = GossipConfig::new(PeerInfo::placeholder(1), "example", listen);
//! config.interval = Duration::from_millis(50);
//! let first = GossipPool::start(config.clone()).await?;
//!
//! config.self_info = PeerInfo::placeholder(2);
//! config.seeds = vec![first.advertise_addr().to_string()];
//! let second = GossipPool::start(config).await?;
//!
//! let mut info = PeerInfo::placeholder(2);
//! info.labels = BTreeMap::from([("zone".to_string(), "a".to_string())]);
//! second.announce_self(info.clone()).await?;
//!
//! let mut events = first.subscribe();
//! while !events.snapshot().iter().any(|peer| **peer == info) {
//!     events.next().await;
//! }
//! assert_eq!(first.peers(), [info]);
//! second.leave().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//!
//! - `pool`: the public handle. `pool/start` assembles a pool.
//! - `config`, `error`: settings and errors.
//! - `member`: the task that runs chitchat and restarts it. `membership`: the state that it shares with
//!   the handle.
//! - `info`, `announce`: the node info, its wire format, and publishing this node's own.
//! - `outbox`, `inbox`: decisions, outgoing and incoming.
//! - `directory`, `bad_records`: the rules that select peers from chitchat's members.
//! - `heard`: the last datagram of each address. `claim`: one id, one node. `known`: the peers that were met. `refusals`: addresses that answer, but
//!   are no peers.
//! - `topology`: runs the rules after each change and publishes the result.
//! - `peers`, `events`, `cluster_member`: the snapshot, its changes, and the list for operators.
//! - `push`, `reconnect`: gossip at once after a change, and calls to missing peers.
//! - `view`: the published view of the cluster. `join`: the first exchange with the cluster, and troubles.
//! - `lives`: the lives of this node, which others must forget.
//! - `memory`: generations and known peers, which must survive a restart.
//! - `transport`, `udp`, `simulated`: the socket under chitchat, over UDP or in memory. `datagrams`: the one below it.
//! - `validator`, `seal`, `keyring`, `drop_reason`: checks and encryption of datagrams. `doors`: the same without a
//!   socket.
//! - `metrics`: Prometheus metrics. `clock`: time and deadlines.
//!
//! # Features
//!
//! - `simulation`: `SimulatedNetwork`, a network in memory, and `DatagramDoor`, the checks of datagrams; both for tests.

// Guest data reaches most of this crate: every arithmetic operation must define its overflow.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod announce;
mod bad_records;
mod claim;
mod clock;
mod clock_offsets;
mod cluster_member;
mod config;
mod datagrams;
mod directory;
#[cfg(any(test, feature = "simulation"))]
mod doors;
mod drop_reason;
mod error;
mod events;
mod heard;
mod inbox;
mod info;
mod join;
mod keyring;
mod known;
mod lives;
mod member;
mod membership;
mod memory;
mod metrics;
mod outbox;
mod peers;
mod pool;
mod push;
mod reconnect;
mod refusals;
mod seal;
#[cfg(any(test, feature = "simulation"))]
mod simulated;
mod topology;
mod transport;
mod udp;
mod validator;
mod view;

#[cfg(test)]
mod tests;

pub use clock::LogLimit;
pub use cluster_member::ClusterMember;
pub use config::{GRACE_PERIODS, GossipConfig, INTERVALS, JOIN_TIMEOUTS, Network, Protocol};
#[cfg(any(test, feature = "simulation"))]
pub use doors::{DatagramDoor, reencode_info};
pub use edge_cache_core::{AgentInfo, DecisionId, MemberStatus, PeerInfo, Refusal};
pub use error::GossipError;
pub use events::{TopologyEvent, TopologyEvents};
pub use heard::Heard;
pub use info::InfoError;
pub use join::{JoinState, Trouble};
pub use keyring::{KeyId, Keyring, KeyringError, Rotation};
pub use memory::{
    GossipMemory, KnownPeer, MemoryError, ProcessMemory, RememberedMembers, UsedLives,
};
pub use metrics::GossipMetrics;
pub use peers::Peers;
pub use pool::GossipPool;
pub use push::PushBudget;
#[cfg(any(test, feature = "simulation"))]
pub use simulated::SimulatedNetwork;
