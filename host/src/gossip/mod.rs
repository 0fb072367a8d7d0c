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
//! - `member`: the task that owns the chitchat member, from its start to its end.
//! - `transport`: the socket, bound before chitchat starts and counted.
//! - `announce`: this node's own record, from the wish to the write.
//! - `topology`, `directory`, `bad_records`: from chitchat's state to the peers that count.
//! - `peers`, `events`: the snapshot, and the changes between two of them.

mod announce;
mod bad_records;
mod config;
mod directory;
mod error;
mod events;
mod info;
mod member;
mod peers;
mod pool;
mod topology;
mod transport;

#[cfg(test)]
mod tests;

pub use config::GossipConfig;
pub use error::GossipError;
pub use events::{TopologyEvent, TopologyEvents};
pub use info::{InfoError, PeerInfo};
pub use peers::Peers;
pub use pool::GossipPool;
pub use transport::Traffic;
