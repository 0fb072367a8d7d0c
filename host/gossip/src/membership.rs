//! State shared between the member task and the pool's handles.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::Instant;

/// The state of this node's membership.
#[derive(Debug, Default)]
pub(crate) struct MembershipState {
    pub(crate) running: AtomicBool,
    pub(crate) generation: AtomicU64,
    /// Time by which this member should have met all others.
    pub(crate) settles_at: ArcSwap<Option<Instant>>,
}

impl MembershipState {
    /// Notes the start of a server, which needs the time `settling` to meet the other members.
    pub(crate) fn set_running(&self, generation: u64, settling: Duration) {
        self.generation.store(generation, Ordering::Release);
        let settles_at = Instant::now().checked_add(settling);
        self.settles_at.store(Arc::new(settles_at));
        self.running.store(true, Ordering::Release);
    }
}

/// The way in which a pool ends. A later variant overrides an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ShutdownMode {
    /// Announce the leave to peers first.
    Leave,
    /// Stop at once.
    Stop,
}
