//! The request to shut down, from a signal or over HTTP.

use std::sync::Arc;

use tokio::sync::watch;

#[cfg(test)]
mod tests;

/// The mode of a shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShutdownMode {
    /// Orderly; leaves the cluster if the settings say so.
    Stop,
    /// Orderly; leaves the cluster in any case.
    Leave,
}

/// The shutdown request of an agent. Clones share it; a request cannot be withdrawn.
#[derive(Debug, Clone)]
pub struct Shutdown(Arc<watch::Sender<Option<ShutdownMode>>>);

impl Default for Shutdown {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Shutdown {
    /// Requests a shutdown. Returns whether one had been requested before.
    pub fn request(&self, mode: ShutdownMode) -> bool {
        let mut before = false;
        self.0.send_modify(|requested| {
            before = requested.is_some();
            *requested = (*requested).max(Some(mode));
        });
        before
    }

    /// Returns the requested mode; `Leave` outranks `Stop`.
    #[must_use]
    pub fn requested(&self) -> Option<ShutdownMode> {
        *self.0.borrow()
    }

    /// Waits for a request.
    pub async fn wait(self) {
        // `self` holds the sender, so that an error is impossible.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
    }
}
