//! The members of the cluster as an operator asks for them: those that are no peers, too.

use std::net::SocketAddr;

/// What a member is doing, as far as is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemberStatus {
    /// It takes part.
    Alive,
    /// It has said that it is about to stop.
    Leaving,
    /// Nothing is heard of it any more. It is forgotten some minutes later.
    Dead,
}

/// One node of the cluster, in the latest of its lives that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterMember {
    /// The node.
    pub node_id: u64,
    /// What it is doing.
    pub status: MemberStatus,
    /// Where it gossips.
    pub address: SocketAddr,
    /// When it was started, in nanoseconds since 1970 by its own clock, as it says.
    pub generation: u64,
    /// What decides about labels there; `None` where no agent runs.
    pub policy: Option<String>,
}
