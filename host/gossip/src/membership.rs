//! State shared between the member task and the pool's handles, which read it without waiting.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::heard::HeardFrom;
use crate::inbox::Inbox;
use crate::join::{JoinState, Trouble};
use crate::known::KnownPeers;
use crate::metrics::GossipMetrics;
use crate::outbox::Outbox;
use crate::refusals::Refusals;
use crate::transport::ClockOff;
use crate::view::ClusterView;

/// Time for which a peer's wrong clock is shown after its last datagram.
const CLOCK_OFF_FOR: Duration = Duration::from_secs(60);
/// Part of `limits.gossip_bytes` from which its fill is shown, in percent: four fifths of the half that is for everybody.
const FULL_WARN_PERCENT: u64 = 40;

/// The state of this node's membership.
#[derive(Debug)]
pub(crate) struct Membership {
    pub(crate) running: AtomicBool,
    /// `true` while this node was started too often to begin another life.
    pub(crate) waits_for_life: AtomicBool,
    pub(crate) generation: AtomicU64,
    /// State of the first exchange.
    pub(crate) join: watch::Sender<JoinState>,
    /// Time from which this member decides even if the first exchange is not complete.
    pub(crate) decides_at: Instant,
    /// `true` while this member publishes its record.
    pub(crate) holds: watch::Sender<bool>,
    /// The peers that were met.
    pub(crate) known: Mutex<KnownPeers>,
    /// Notified when the known peers may have changed.
    pub(crate) known_changed: Notify,
    /// Notified when an operator has forgotten a peer.
    pub(crate) forgotten: Notify,
    /// Known addresses that answer, but are no peers.
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) heard: Arc<HeardFrom>,
    /// The state of the other members, as published last.
    pub(crate) view: ArcSwap<ClusterView>,
    pub(crate) outbox: Outbox,
    pub(crate) inbox: Inbox,
    pub(crate) metrics: Arc<GossipMetrics>,
    /// The setting `limits.gossip_bytes`.
    pub(crate) state_bytes_max: u64,
    /// The last sender of a sealed datagram whose time was out of range.
    pub(crate) clock_off: Arc<ArcSwapOption<ClockOff>>,
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
    /// Creates the state of a member that holds its node id, or has to claim it first.
    pub(crate) fn new(
        known: KnownPeers,
        holds: bool,
        decides_after: Duration,
        state_bytes_max: usize,
    ) -> Self {
        let metrics = Arc::<GossipMetrics>::default();
        let now = Instant::now();
        Self {
            running: AtomicBool::default(),
            waits_for_life: AtomicBool::default(),
            generation: AtomicU64::default(),
            join: watch::Sender::default(),
            decides_at: now.checked_add(decides_after).unwrap_or(now),
            holds: watch::Sender::new(holds),
            known: Mutex::new(known),
            known_changed: Notify::new(),
            forgotten: Notify::new(),
            refusals: Arc::default(),
            heard: Arc::default(),
            view: ArcSwap::default(),
            outbox: Outbox::default(),
            inbox: Inbox::new(metrics.bad_records.clone()),
            metrics,
            state_bytes_max: u64::try_from(state_bytes_max).unwrap_or(u64::MAX),
            clock_off: Arc::default(),
        }
    }

    /// Notes the start of a server.
    pub(crate) fn set_running(&self, generation: u64) {
        self.generation.store(generation, Ordering::Release);
        self.running.store(true, Ordering::Release);
    }

    pub(crate) fn known(&self) -> MutexGuard<'_, KnownPeers> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what this member lacks, of which `peers_min` live peers.
    pub(crate) fn troubles(&self, peers_min: usize) -> Vec<Trouble> {
        let view = self.view.load();
        let join = *self.join.borrow();
        let peers = view.alive().count();
        let mut troubles = Vec::new();
        match join {
            JoinState::Joining => troubles.push(Trouble::Joining),
            JoinState::Joined => {}
            JoinState::Alone => troubles.push(Trouble::Alone),
        }
        if self.waits_for_life.load(Ordering::Acquire) {
            troubles.push(Trouble::StartedTooOften);
        }
        if peers == 0 {
            troubles.extend(self.refusals.recent());
        }
        if peers < peers_min {
            let min = peers_min;
            troubles.push(Trouble::FewPeers { peers, min });
        }
        let clock_off = self.clock_off.load_full();
        let clock_off = clock_off.filter(|off| off.seen.elapsed() < CLOCK_OFF_FOR);
        troubles.extend(clock_off.map(|off| Trouble::ClockOff {
            address: off.address,
            ahead_s: off.ahead_ms / 1_000,
        }));
        let (bytes, limit) = (self.metrics.state_bytes.get(), self.state_bytes_max);
        if bytes.saturating_mul(100) >= limit.saturating_mul(FULL_WARN_PERCENT) {
            troubles.push(Trouble::StateFull { bytes, limit });
        }
        troubles.extend(view.conflict.map(|conflict| Trouble::IdConflict {
            address: conflict.address,
            waits: conflict.waits,
        }));
        troubles
    }
}
