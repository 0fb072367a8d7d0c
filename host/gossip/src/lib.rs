//! Gossip: how the agents of a cluster learn of each other and of each other's labels.
//!
//! One [`GossipPool`] is one member of one cluster. It announces this node's [`PeerInfo`], keeps a
//! [`Peers`] snapshot of the other live members for readers that must never wait, and hands out
//! [`TopologyEvents`] to those who follow changes. What travels is what ZLayer's nodes write and
//! read, so both kinds meet in one cluster.
//!
//! This directory is the only place that knows chitchat. It never decides what a label means, never
//! speaks for another node than its own, never polls, and never lets a peer's input fail anything
//! but that peer's own record.
//!
//! # Layout
//!
//! - `info`: the record that a node announces and its wire format.
//! - `config`, `error`: what a pool is started with and how it can fail.
//! - `pool`: the handle that everybody else holds.
//! - `member`: the task that owns the chitchat member, and starts it again when it dies.
//! - `push`: telling others of a change at once; `reconnect`: calling those that are missing.
//! - `memory`: what must not be forgotten over a restart.
//! - `transport`, `traffic`: the socket under chitchat, bound before it starts and counted.
//! - `udp`: UDP, where every datagram is looked at; `validator`, `seal`, `keyring`: what is looked
//!   at, and how datagrams are sealed. `simulated`: a network in memory instead.
//! - `announce`: this node's own record, from the wish to the write.
//! - `outbox`, `inbox`: decisions about nodes, on their way out and in.
//! - `topology`, `directory`, `bad_records`: from chitchat's state to the peers that count.
//! - `peers`, `events`: the snapshot, and the changes between two of them. `members`: all that are known,
//!   the dead among them.

// Guest data reaches most of this crate: what could overflow says what then.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod announce;
mod bad_records;
mod cluster_member;
mod config;
mod directory;
mod error;
mod events;
mod inbox;
mod info;
mod keyring;
mod member;
mod memory;
mod outbox;
mod peers;
mod pool;
mod push;
mod reconnect;
mod seal;
#[cfg(any(test, feature = "simulation"))]
mod simulated;
mod timer;
mod topology;
mod traffic;
mod transport;
mod udp;
mod validator;

#[cfg(test)]
mod tests;

pub use cluster_member::{ClusterMember, MemberStatus};
pub use config::{GossipConfig, Network, Protocol};
pub use error::GossipError;
pub use events::{TopologyEvent, TopologyEvents};
pub use info::{InfoError, PeerInfo};
pub use keyring::{KeyId, Keyring, KeyringError};
pub use memory::{GossipMemory, KnownAddress, MemoryError, ProcessMemory};
pub use peers::Peers;
pub use pool::GossipPool;
pub use push::PushBudget;
#[cfg(any(test, feature = "simulation"))]
pub use simulated::SimulatedNetwork;
pub use traffic::Traffic;
