//! State shared between the member task and the pool's handles, which read it without waiting.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use edge_cache_core::{MemberStatus, PublishedStats};
use tokio::time::Instant;

use crate::cluster_member::ClusterMember;
use crate::inbox::Inbox;
use crate::metrics::GossipMetrics;
use crate::outbox::Outbox;
use crate::peers::Peers;
use crate::transport::ClockOff;

/// The state of this node's membership.
#[derive(Debug)]
pub(crate) struct Membership {
    pub(crate) running: AtomicBool,
    pub(crate) generation: AtomicU64,
    /// Time by which this member should have met all others.
    pub(crate) settles_at: ArcSwap<Option<Instant>>,
    /// Set once there has been a peer.
    pub(crate) has_met_peer: AtomicBool,
    /// The state of the other members, as published last.
    pub(crate) view: ArcSwap<ClusterView>,
    pub(crate) outbox: Outbox,
    pub(crate) inbox: Inbox,
    pub(crate) metrics: Arc<GossipMetrics>,
    /// The last sender of a sealed datagram whose time was out of range.
    pub(crate) clock_off: Arc<ArcSwapOption<ClockOff>>,
}

/// The peers and members that the directory selected.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ClusterView {
    pub(crate) peers: Arc<Peers>,
    /// All other members, ascending by node id.
    pub(crate) members: Vec<ClusterMember>,
    /// Counters that other members publish about their own nodes.
    pub(crate) stats: BTreeMap<u64, PublishedStats>,
    /// Another live member with this node's id and a higher generation.
    pub(crate) duplicate_node: Option<SocketAddr>,
    /// Live agents with another policy digest than this node's, ascending.
    pub(crate) policy_mismatches: Vec<u64>,
}

/// The way in which a pool ends. A later variant overrides an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ShutdownMode {
    /// Announce the leave to peers first.
    Leave,
    /// Stop at once.
    Stop,
}

impl Membership {
    pub(crate) fn new() -> Self {
        let metrics = Arc::<GossipMetrics>::default();
        Self {
            running: AtomicBool::default(),
            generation: AtomicU64::default(),
            settles_at: ArcSwap::default(),
            has_met_peer: AtomicBool::default(),
            view: ArcSwap::default(),
            outbox: Outbox::default(),
            inbox: Inbox::new(metrics.bad_records.clone()),
            metrics,
            clock_off: Arc::default(),
        }
    }

    /// Notes the start of a server, which needs the time `settling` to meet the other members.
    pub(crate) fn set_running(&self, generation: u64, settling: Duration) {
        self.generation.store(generation, Ordering::Release);
        let settles_at = Instant::now().checked_add(settling);
        self.settles_at.store(Arc::new(settles_at));
        self.running.store(true, Ordering::Release);
    }
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
