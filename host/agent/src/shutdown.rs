//! The request to shut down, from a signal or over HTTP, and the tasks that run until then.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::AbortHandle;

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
#[derive(Debug, Clone, Default)]
pub struct Shutdown(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    requested: watch::Sender<Option<ShutdownMode>>,
    /// The background tasks with their names.
    tasks: Mutex<Vec<(&'static str, AbortHandle)>>,
}

impl Shutdown {
    /// Requests a shutdown. Returns whether one had been requested before.
    pub fn request(&self, mode: ShutdownMode) -> bool {
        let mut before = false;
        self.0.requested.send_modify(|requested| {
            before = requested.is_some();
            *requested = (*requested).max(Some(mode));
        });
        before
    }

    /// Returns the requested mode; `Leave` outranks `Stop`.
    #[must_use]
    pub fn requested(&self) -> Option<ShutdownMode> {
        *self.0.requested.borrow()
    }

    /// Waits for a request.
    pub async fn wait(self) {
        // `self` holds the sender, so that an error is impossible.
        let _ = self.0.requested.subscribe().wait_for(Option::is_some).await;
    }

    /// Spawns a task that must not end before a request. Must be called on a runtime.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let handle = tokio::spawn(task).abort_handle();
        let mut tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.push((name, handle));
    }

    /// Returns the names of the tasks that have ended. Before a request each is a defect, mostly a panic.
    #[must_use]
    pub fn ended_tasks(&self) -> Vec<&'static str> {
        let tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = tasks.iter().filter(|(_, handle)| handle.is_finished());
        ended.map(|(name, _)| *name).collect()
    }
}
