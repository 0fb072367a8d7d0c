//! The bounded queue between the callers and the writer.
//!
//! Callers are async and the writer is a plain thread that also waits for points in time, so the room is a
//! semaphore on the callers' side and the queue itself a channel of the standard library.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::error::EdgeCacheError;
use crate::types::{EdgeCacheNode, EdgeCacheStats, NodeCapacity, NodeId};

/// One change of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    Enable {
        node_id: NodeId,
        capacity: NodeCapacity,
    },
    Disable {
        node_id: NodeId,
    },
    AddStats {
        node_id: NodeId,
        delta: EdgeCacheStats,
    },
}

/// What a change came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Enabled(EdgeCacheNode),
    Disabled,
    Counted(EdgeCacheStats),
}

/// Where the answer to a change goes. The caller may have gone away; the change is made all the same.
pub(crate) type Answer = oneshot::Sender<Result<Outcome, EdgeCacheError>>;

/// A message to the writer.
#[derive(Debug)]
pub(crate) enum Request {
    Change {
        operation: Operation,
        answer: Answer,
        /// The room that it takes up in the queue.
        room: OwnedSemaphorePermit,
    },
    /// Ends the writer; what is behind it in the queue is not made.
    Stop,
}

#[derive(Debug)]
pub(crate) struct Queue {
    sender: mpsc::Sender<Request>,
    room: Arc<Semaphore>,
    capacity: usize,
    wait: Duration,
}

impl Queue {
    pub(crate) fn new(capacity: usize, wait: Duration) -> (Self, mpsc::Receiver<Request>) {
        let (sender, receiver) = mpsc::channel();
        let queue = Self {
            sender,
            room: Arc::new(Semaphore::new(capacity)),
            capacity,
            wait,
        };
        (queue, receiver)
    }

    /// Hands a change to the writer and waits for its answer.
    pub(crate) async fn ask(&self, operation: Operation) -> Result<Outcome, EdgeCacheError> {
        let room = tokio::time::timeout(self.wait, self.room.clone().acquire_owned())
            .await
            .map_err(|_| EdgeCacheError::Busy {
                queue: self.capacity,
                waited_ms: self.wait.as_millis(),
            })?
            .map_err(|_| EdgeCacheError::ShuttingDown)?;
        let (answer, answered) = oneshot::channel();
        self.sender
            .send(Request::Change {
                operation,
                answer,
                room,
            })
            .map_err(|_| EdgeCacheError::ShuttingDown)?;
        answered.await.unwrap_or(Err(EdgeCacheError::ShuttingDown))
    }

    /// How many changes wait.
    pub(crate) fn depth(&self) -> usize {
        self.capacity.saturating_sub(self.room.available_permits())
    }

    /// Asks the writer to end after what is in the queue already, and lets nothing more in.
    pub(crate) fn stop(&self) {
        self.room.close();
        // A writer that has ended already is what is asked for.
        let _ = self.sender.send(Request::Stop);
    }
}
