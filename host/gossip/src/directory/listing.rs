//! The result of one pass of the directory.

use std::net::SocketAddr;
use std::time::Duration;

use crate::cluster_member::ClusterMember;
use crate::peers::{Neighbour, Peers};

/// The peers and members that the directory selected from all readings.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) peers: Peers,
    /// Addresses of the peers, in the same order.
    pub(crate) neighbours: Vec<Neighbour>,
    /// Nodes that announced that they are stopping, ascending.
    pub(crate) leaving: Vec<u64>,
    /// Another live member with this node's id and a higher generation.
    pub(crate) duplicate_node: Option<SocketAddr>,
    /// All other members, ascending by node id.
    pub(crate) members: Vec<ClusterMember>,
    /// Live agents with another policy digest than this node's, ascending.
    pub(crate) policy_mismatches: Vec<u64>,
    /// Time after which to run again even if nothing changes.
    pub(crate) again_in: Option<Duration>,
}
