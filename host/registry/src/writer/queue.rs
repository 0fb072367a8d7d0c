//! The bounded queue between the callers and the writer.
//!
//! Callers are async; the writer is a plain thread that also waits for points in time. So a semaphore bounds the
//! queue on the callers' side, and the queue itself is a channel of the standard library.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tracing::Span;

use super::batch::Caller;
use super::operation::Operation;
use super::trial::Trial;
use crate::error::SwapError;
use crate::metrics::RegistryMetrics;
use edge_cache_core::{EdgeCacheError, Entry};

#[cfg(test)]
mod tests;

/// Spin time of the writer and of a caller before they block.
///
/// Waking a thread costs 5 µs on bare metal and 20 to 50 µs on a virtual machine, more than a change in memory takes.
/// With a store nobody spins: a sync of the disk takes longer still.
pub(crate) const SPIN_TIME: Duration = Duration::from_micros(30);

/// A message to the writer.
#[derive(Debug)]
pub(crate) enum Request {
    /// Makes a change.
    Change {
        operation: Operation,
        caller: Caller,
        /// The slot of the queue that the change occupies.
        permit: OwnedSemaphorePermit,
        /// The time at which its caller began to wait.
        begun: Instant,
    },
    /// Replaces the plugin by one that was tried.
    Swap {
        trial: Box<Trial>,
        reply: oneshot::Sender<Result<(), SwapError>>,
    },
    /// Ends the writer. Requests behind it are dropped.
    Stop,
}

/// The callers' end of the queue.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    sender: mpsc::Sender<Request>,
    permits: Arc<Semaphore>,
    capacity: usize,
    /// The longest time a caller waits for a permit.
    wait: Duration,
    spin_time: Duration,
    stopping: Arc<AtomicBool>,
    /// Counts the changes that are refused before they reach the writer.
    metrics: Arc<RegistryMetrics>,
}

/// The writer's end of the queue.
#[derive(Debug)]
pub(crate) struct Requests {
    receiver: mpsc::Receiver<Request>,
    spin_time: Duration,
    stopping: Arc<AtomicBool>,
}

/// Creates a queue of `capacity` changes, in which a caller waits at most `wait` for a free slot.
pub(crate) fn queue(
    capacity: usize,
    wait: Duration,
    spin_time: Duration,
    metrics: Arc<RegistryMetrics>,
) -> (Queue, Requests) {
    let (sender, receiver) = mpsc::channel();
    let stopping = Arc::new(AtomicBool::new(false));
    let queue = Queue {
        sender,
        permits: Arc::new(Semaphore::new(capacity)),
        capacity,
        wait,
        spin_time,
        stopping: stopping.clone(),
        metrics,
    };
    let requests = Requests {
        receiver,
        spin_time,
        stopping,
    };
    (queue, requests)
}

impl Requests {
    /// Waits for the next request, at most until `end`. Also fails when all senders are gone.
    pub(crate) fn next(&self, end: Option<Instant>) -> Result<Request, RecvTimeoutError> {
        if let Some(end) = end {
            let wait = end.saturating_duration_since(Instant::now());
            return self.receiver.recv_timeout(wait);
        }
        let start = Instant::now();
        while start.elapsed() < self.spin_time {
            match self.receiver.try_recv() {
                Ok(request) => return Ok(request),
                Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
                Err(TryRecvError::Empty) => std::hint::spin_loop(),
            }
        }
        Ok(self.receiver.recv()?)
    }

    /// Returns the next request if there is one already.
    pub(crate) fn try_next(&self) -> Option<Request> {
        self.receiver.try_recv().ok()
    }

    /// Tells whether a stop was requested. Changes queued before it are still answered.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

impl Queue {
    /// Sends a change to the writer and waits for its result: the entry of the node after it, if there is one.
    ///
    /// Spins for at most [`SPIN_TIME`] before it yields, if no other change is queued.
    pub(crate) async fn ask(&self, operation: Operation) -> Result<Option<Entry>, EdgeCacheError> {
        let (reply, mut result) = oneshot::channel();
        let kind = operation.kind();
        let span = Span::current();
        if let Err(error) = self.send(operation, Caller { reply, span }).await {
            let refused = Err(error);
            self.metrics.add_result(kind, &refused);
            return refused;
        }
        // Behind other changes the result takes longer than spinning is worth.
        let start = Instant::now();
        while self.depth() <= 1 && start.elapsed() < self.spin_time {
            match result.try_recv() {
                Ok(result) => return result,
                // The writer has ended, or will not take the change.
                Err(oneshot::error::TryRecvError::Closed) => {
                    return Err(EdgeCacheError::ShuttingDown);
                }
                Err(oneshot::error::TryRecvError::Empty) => std::hint::spin_loop(),
            }
        }
        result.await.unwrap_or(Err(EdgeCacheError::ShuttingDown))
    }

    /// Has the writer replace the plugin, after the changes that are queued.
    pub(crate) async fn swap(&self, trial: Trial) -> Result<(), SwapError> {
        let (reply, result) = oneshot::channel();
        let trial = Box::new(trial);
        self.sender
            .send(Request::Swap { trial, reply })
            .map_err(|_| SwapError::ShuttingDown)?;
        result.await.unwrap_or(Err(SwapError::ShuttingDown))
    }

    /// Returns the number of queued changes.
    pub(crate) fn depth(&self) -> usize {
        self.capacity
            .saturating_sub(self.permits.available_permits())
    }

    /// Ends the writer after the changes that are queued, and refuses new ones.
    pub(crate) fn stop(&self) {
        self.permits.close();
        self.stopping.store(true, Ordering::Release);
        // A writer that has ended already needs no request.
        let _ = self.sender.send(Request::Stop);
    }

    async fn send(&self, operation: Operation, caller: Caller) -> Result<(), EdgeCacheError> {
        let begun = Instant::now();
        let permit = tokio::time::timeout(self.wait, self.permits.clone().acquire_owned())
            .await
            .map_err(|_| EdgeCacheError::Busy {
                queue: self.capacity,
                waited_ms: self.wait.as_millis(),
            })?
            .map_err(|_| EdgeCacheError::ShuttingDown)?;
        let change = Request::Change {
            operation,
            caller,
            permit,
            begun,
        };
        self.sender
            .send(change)
            .map_err(|_| EdgeCacheError::ShuttingDown)
    }
}
