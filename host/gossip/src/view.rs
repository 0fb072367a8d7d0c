//! The published view of the cluster, which readers load without waiting.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;

use crate::cluster_member::ClusterMember;
use crate::peers::{Neighbour, Peers};

/// The state of the other members, as published last.
#[derive(Debug, Default)]
pub(crate) struct ClusterView {
    pub(crate) peers: ArcSwap<Peers>,
    /// Ascending by node id.
    pub(crate) neighbours: Arc<ArcSwap<Vec<Neighbour>>>,
    /// Nodes that announced that they are stopping, ascending.
    pub(crate) leaving: ArcSwap<Vec<u64>>,
    /// Another live member with this node's id that started later.
    pub(crate) duplicate_node: ArcSwap<Option<SocketAddr>>,
    /// Agents with another policy digest than this one, ascending.
    pub(crate) policy_mismatches: ArcSwap<Vec<u64>>,
    /// All other members, ascending by node id.
    pub(crate) members: ArcSwap<Vec<ClusterMember>>,
    /// Set once there has been a peer.
    pub(crate) has_met_peer: AtomicBool,
}
