//! The state of the first exchange with the cluster, and what an agent lacks as a member.

use std::net::SocketAddr;

/// State of the first exchange with the cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::IntoStaticStr, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum JoinState {
    /// The first exchange is not complete: this member does not know the whole cluster yet.
    #[default]
    Joining,
    /// This member has heard of every other one, or has nobody to hear from.
    Joined,
    /// Nobody was heard in time, or all peers were lost. This member works alone.
    Alone,
}

/// A trouble of a member, for readiness, metrics and the log.
#[derive(
    Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr, strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum Trouble {
    /// The first exchange is not complete.
    #[error("the first exchange with the cluster is not complete")]
    Joining,
    /// Nobody is heard. The member is ready nevertheless.
    #[error("this agent is alone: no other member is heard")]
    Alone,
    /// The node has begun too many lives among ZLayer nodes. It waits to join gossip.
    #[error(
        "this agent was started too often for its ZLayer peers: it joins gossip within six minutes, do not restart it"
    )]
    StartedTooOften,
    /// A seed or remembered address answers, but neither side can use what the other sends.
    #[error("{address} answers, but is no peer: {reason}")]
    Refused {
        /// The seed or remembered address.
        address: SocketAddr,
        /// Cause and remedy.
        reason: &'static str,
    },
    /// Fewer peers are live than `peers_min`.
    #[error("{peers} live peer{}, gossip.peers_min is {min}", if *peers == 1 { "" } else { "s" })]
    FewPeers {
        /// Number of live peers.
        peers: usize,
        /// The setting.
        min: usize,
    },
    /// A sealed datagram was dropped because of its time of sending, less than a minute ago. Anybody can
    /// replay an old datagram, so this is only a warning.
    #[error(
        "the clock of {address} is {} s {} this node's: set both clocks",
        ahead_s.unsigned_abs(),
        if *ahead_s < 0 { "behind" } else { "ahead of" }
    )]
    ClockOff {
        /// Sender of the datagram.
        address: SocketAddr,
        /// Time by which the sender's clock is ahead, negative if it is behind.
        ahead_s: i64,
    },
    /// The states of all members take most of what is for everybody. Beyond it the values of the largest are refused.
    #[error(
        "the states of all members take {bytes} bytes, beyond half of `limits.gossip_bytes` ({limit}) values are refused: raise it on all agents"
    )]
    StateFull {
        /// Memory of the states, as last measured.
        bytes: u64,
        /// The setting.
        limit: u64,
    },
    /// Another live member has this node's id.
    #[error("another member at {address} has this node's id: stop one of them")]
    IdConflict {
        /// Address of the other member.
        address: SocketAddr,
        /// `true` if the other one counts: this member publishes no record.
        waits: bool,
    },
}

impl Trouble {
    /// Returns the name of the trouble in metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.into()
    }

    /// Returns `true` if a member with this trouble is not ready. Others are warnings.
    #[must_use]
    pub fn is_blocking(&self) -> bool {
        match self {
            Self::Joining
            | Self::StartedTooOften
            | Self::Refused { .. }
            | Self::FewPeers { .. } => true,
            Self::IdConflict { waits, .. } => *waits,
            Self::Alone | Self::ClockOff { .. } | Self::StateFull { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests;
