//! The gossip server of one generation.

use std::sync::Arc;
use std::time::Duration;

use chitchat::ChitchatHandle;
use tokio::sync::Notify;
use tokio::time::{self, Instant};
use tracing::warn;

use crate::clock::{GENERATION_AHEAD_MAX, now_ns};
use crate::error::GossipError;
use crate::memory::{GossipMemory, run_blocking};

/// Time after which a server that does not stop is aborted. It stops between two datagrams.
const STOP_MAX: Duration = Duration::from_secs(2);

/// A running gossip server.
pub(crate) struct Server {
    pub(super) handle: ChitchatHandle,
    /// Notified when another member impersonates this one.
    pub(super) impersonated: Arc<Notify>,
    pub(super) started: Instant,
}

impl Server {
    /// Stops the server and waits until its socket is closed.
    pub(super) async fn stop(self) {
        // Fails if the server has ended already.
        let _ = self.handle.initiate_shutdown();
        if time::timeout(STOP_MAX, self.handle.termination_watcher())
            .await
            .is_err()
        {
            warn!("the gossip server does not stop, aborting it");
            self.handle.abort();
        }
        // The reason of a failure was logged before.
        let _ = self.handle.shutdown().await;
    }
}

/// Returns a generation that was never used.
pub(super) async fn next_generation(memory: Arc<dyn GossipMemory>) -> Result<u64, GossipError> {
    let now = now_ns();
    let generation = run_blocking(move || memory.next_generation(now))
        .await
        .map_err(|source| GossipError::Memory { source })?;
    if u128::from(generation.saturating_sub(now)) > GENERATION_AHEAD_MAX.as_nanos() {
        warn!(
            generation,
            now, "the clock went back: peers ignore this node until it has caught up"
        );
    }
    Ok(generation)
}
