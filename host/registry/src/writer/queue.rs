//! The bounded queue between the callers and the writer.
//!
//! Callers are async and the writer is a plain thread that also waits for points in time, so the room is a
//! semaphore on the callers' side and the queue itself a channel of the standard library.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvError, TryRecvError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::error::SwapError;
use crate::metrics::{ChangeKind, RegistryMetrics};
use edge_cache_core::EdgeCacheError;
use edge_cache_core::decision::Decision;
use edge_cache_core::{EdgeCacheNode, EdgeCacheStats, NodeCapacity, NodeId};
use edge_cache_sandbox::Plugin;

/// How long the writer and a caller look for each other before they sleep.
///
/// Waking a thread costs 5 µs on bare metal and 20 to 50 µs on a virtual machine, more than a change in
/// memory takes. With a store, whose sync takes longer still, nobody looks.
pub(crate) const LOOK_FOR: Duration = Duration::from_micros(30);

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
    /// A decision that was taken elsewhere.
    Merge(Decision),
    /// Gives decisions of this agent's that its clock has put into the future a time of now.
    Restamp,
}

impl Operation {
    /// Returns the kind under which metrics count it.
    pub(crate) fn kind(&self) -> ChangeKind {
        match self {
            Self::Enable { .. } => ChangeKind::Enable,
            Self::Disable { .. } => ChangeKind::Disable,
            Self::AddStats { .. } => ChangeKind::AddStats,
            Self::Merge(_) => ChangeKind::Merge,
            Self::Restamp => ChangeKind::Restamp,
        }
    }
}

/// What a change came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Enabled(EdgeCacheNode),
    Disabled,
    Counted(EdgeCacheStats),
    Merged,
}

/// Where the answer to a change goes. The caller may have gone away; the change is made all the same.
pub(crate) type Reply = oneshot::Sender<Result<Outcome, EdgeCacheError>>;

/// A message to the writer.
#[derive(Debug)]
pub(crate) enum Request {
    Change {
        operation: Operation,
        answer: Reply,
        /// The room that it takes up in the queue.
        room: OwnedSemaphorePermit,
    },
    /// Lets another component decide.
    Swap {
        plugin: Box<Plugin>,
        answer: oneshot::Sender<Result<(), SwapError>>,
    },
    /// Ends the writer; what is behind it in the queue is not made.
    Stop,
}

#[derive(Debug, Clone)]
pub(crate) struct Queue {
    sender: mpsc::Sender<Request>,
    room: Arc<Semaphore>,
    capacity: usize,
    wait: Duration,
    look_for: Duration,
    stopping: Arc<AtomicBool>,
    /// Counts the changes that do not come to the writer.
    metrics: Arc<RegistryMetrics>,
}

/// The writer's end of the queue.
#[derive(Debug)]
pub(crate) struct Requests {
    receiver: mpsc::Receiver<Request>,
    look_for: Duration,
    stopping: Arc<AtomicBool>,
}

/// A queue of `capacity` changes, in which a caller waits for room as long as `wait`.
pub(crate) fn queue(
    capacity: usize,
    wait: Duration,
    look_for: Duration,
    metrics: Arc<RegistryMetrics>,
) -> (Queue, Requests) {
    let (sender, receiver) = mpsc::channel();
    let stopping = Arc::new(AtomicBool::new(false));
    let queue = Queue {
        sender,
        room: Arc::new(Semaphore::new(capacity)),
        capacity,
        wait,
        look_for,
        stopping: stopping.clone(),
        metrics,
    };
    let requests = Requests {
        receiver,
        look_for,
        stopping,
    };
    (queue, requests)
}

impl Requests {
    /// The next request; an error when nobody is left who could send one.
    pub(crate) fn next(&self) -> Result<Request, RecvError> {
        let start = Instant::now();
        while start.elapsed() < self.look_for {
            match self.receiver.try_recv() {
                Ok(request) => return Ok(request),
                Err(TryRecvError::Disconnected) => return Err(RecvError),
                Err(TryRecvError::Empty) => std::hint::spin_loop(),
            }
        }
        self.receiver.recv()
    }

    /// The next request, if it comes in time.
    pub(crate) fn next_within(&self, wait: Duration) -> Result<Request, mpsc::RecvTimeoutError> {
        self.receiver.recv_timeout(wait)
    }

    /// Whether the end was asked for; what waits before it is still to be answered.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// The next request, if it is there already.
    pub(crate) fn waiting(&self) -> Option<Request> {
        self.receiver.try_recv().ok()
    }
}

impl Queue {
    /// Hands a change to the writer and waits for its answer.
    pub(crate) async fn ask(&self, operation: Operation) -> Result<Outcome, EdgeCacheError> {
        let kind = operation.kind();
        let (answer, mut answered) = oneshot::channel();
        if let Err(error) = self.send(operation, answer).await {
            let refused = Err(error);
            self.metrics.add_result(kind, &refused);
            return refused;
        }
        // Behind others the answer takes longer than is worth looking for.
        let start = Instant::now();
        while self.depth() <= 1 && start.elapsed() < self.look_for {
            if let Ok(answer) = answered.try_recv() {
                return answer;
            }
            std::hint::spin_loop();
        }
        answered.await.unwrap_or(Err(EdgeCacheError::ShuttingDown))
    }

    /// Has the writer let another component decide, after the changes that wait.
    pub(crate) async fn swap(&self, plugin: Plugin) -> Result<(), SwapError> {
        let (answer, answered) = oneshot::channel();
        let plugin = Box::new(plugin);
        self.sender
            .send(Request::Swap { plugin, answer })
            .map_err(|_| SwapError::ShuttingDown)?;
        answered.await.unwrap_or(Err(SwapError::ShuttingDown))
    }

    async fn send(&self, operation: Operation, answer: Reply) -> Result<(), EdgeCacheError> {
        let room = tokio::time::timeout(self.wait, self.room.clone().acquire_owned())
            .await
            .map_err(|_| EdgeCacheError::Busy {
                queue: self.capacity,
                waited_ms: self.wait.as_millis(),
            })?
            .map_err(|_| EdgeCacheError::ShuttingDown)?;
        self.sender
            .send(Request::Change {
                operation,
                answer,
                room,
            })
            .map_err(|_| EdgeCacheError::ShuttingDown)
    }

    /// How many changes wait.
    pub(crate) fn depth(&self) -> usize {
        self.capacity.saturating_sub(self.room.available_permits())
    }

    /// Asks the writer to end after what is in the queue already, and lets nothing more in.
    pub(crate) fn stop(&self) {
        self.room.close();
        self.stopping.store(true, Ordering::Release);
        // A writer that has ended already is what is asked for.
        let _ = self.sender.send(Request::Stop);
    }
}
