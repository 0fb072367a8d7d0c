//! Room for so many connections, and who goes when there is no more.

use std::collections::HashMap;
use std::sync::Arc;

use rustix::process::{Resource, getrlimit};
use tokio::task::{AbortHandle, Id, JoinError};

use super::activity::{Activity, Waits};
use crate::metrics::ListenerMetrics;

/// How many connections are served at a time, where nothing else is set.
pub const CONNECTIONS_DEFAULT: usize = 256;
/// The files that an agent has open beside its connections: listeners, the store, gossip, what the runtime
/// needs, and some to spare.
const OTHER_FILES: usize = 64;

/// The connections that are served.
#[derive(Debug)]
pub(super) struct Room {
    limit: usize,
    waits: Arc<Waits>,
    taken: HashMap<Id, (AbortHandle, Activity)>,
    metrics: ListenerMetrics,
}

impl Room {
    pub(super) fn new(limit: usize, metrics: ListenerMetrics) -> Self {
        Self {
            limit: limit.max(1),
            waits: Arc::default(),
            taken: HashMap::new(),
            metrics,
        }
    }

    /// The activity of a connection that has just come.
    pub(super) fn activity(&self) -> Activity {
        Activity::new(self.waits.clone())
    }

    pub(super) fn metrics(&self) -> ListenerMetrics {
        self.metrics.clone()
    }

    /// Makes room for another connection: where there is none, the one goes whose client has been waited for
    /// longest. False where the agent is at work for all of them.
    pub(super) fn make(&mut self) -> bool {
        if self.taken.len() < self.limit {
            return true;
        }
        let Some((connection, _)) = self
            .longest_waiting()
            .and_then(|longest| self.taken.remove(&longest))
        else {
            return false;
        };
        tracing::debug!(
            limit = self.limit,
            "an idle connection made room for another"
        );
        connection.abort();
        self.metrics.evicted.inc();
        self.show_open();
        true
    }

    /// Resolves when room may be made other than by an end.
    pub(super) async fn changed(&self) {
        self.waits.again().await;
    }

    /// Takes a connection in.
    pub(super) fn enter(&mut self, task: AbortHandle, activity: Activity) {
        self.taken.insert(task.id(), (task, activity));
        self.metrics.accepted.inc();
        self.show_open();
    }

    /// Lets go of a connection that has ended, in whatever way.
    pub(super) fn leave(&mut self, ended: &Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        self.taken.remove(&id);
        self.show_open();
    }

    fn show_open(&self) {
        let open = i64::try_from(self.taken.len()).unwrap_or(i64::MAX);
        self.metrics.connections.set(open);
    }

    fn longest_waiting(&self) -> Option<Id> {
        self.taken
            .iter()
            .filter_map(|(id, (_, activity))| Some((activity.waits_since()?, *id)))
            .min_by_key(|(since, _)| *since)
            .map(|(_, id)| id)
    }
}

/// Says so in the log where the system lets the process open fewer files than so many connections need.
pub fn warn_of_file_limit(connections: usize) {
    let needed = connections.saturating_add(OTHER_FILES);
    let limit = getrlimit(Resource::Nofile).current;
    if let Some(limit) = limit.filter(|limit| u64::try_from(needed).is_ok_and(|n| n > *limit)) {
        tracing::warn!(
            limit,
            needed,
            "the process may open too few files for its connections: raise the limit (`ulimit -n`, \
             `LimitNOFILE=`) or lower `--http-connections`"
        );
    }
}
