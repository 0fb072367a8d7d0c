//! The published view of the cluster.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use edge_cache_core::{MemberStatus, PublishedStats};

use crate::claim::Conflict;
use crate::cluster_member::ClusterMember;
use crate::peers::Peers;

/// The peers and members that the directory selected.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ClusterView {
    pub(crate) peers: Arc<Peers>,
    /// All other members, ascending by node id.
    pub(crate) members: Vec<ClusterMember>,
    /// Counters that other members publish about their own nodes.
    pub(crate) stats: Arc<BTreeMap<u64, PublishedStats>>,
    /// Another member that claims this node's id.
    pub(crate) conflict: Option<Conflict>,
    /// Addresses of two members that claim the id of another node.
    pub(crate) rivals: BTreeMap<u64, [SocketAddr; 2]>,
    /// Live agents with another policy digest than this node's, ascending.
    pub(crate) policy_mismatches: Vec<u64>,
}

impl ClusterView {
    /// Returns the members with a status, ascending by node id.
    pub(crate) fn with_status(&self, status: MemberStatus) -> impl Iterator<Item = &ClusterMember> {
        let members = self.members.iter();
        members.filter(move |member| member.status == status)
    }

    /// Returns the members that gossip can reach: the peers that were met since the server started.
    pub(crate) fn alive(&self) -> impl Iterator<Item = &ClusterMember> {
        self.with_status(MemberStatus::Alive)
    }
}
