//! The members of the cluster as shown to an operator, including those that are not peers.

use std::net::SocketAddr;

use edge_cache_core::MemberStatus;

/// A node of the cluster, in its latest known generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterMember {
    /// Node id.
    pub node_id: u64,
    /// Status.
    pub status: MemberStatus,
    /// Gossip address.
    pub address: SocketAddr,
    /// Start time in nanoseconds since the Unix epoch, by the member's own clock.
    pub generation: u64,
    /// Policy digest: identifies the plugin and its settings. `None` for members that are not agents.
    pub policy: Option<String>,
}
