//! Room for so many connections, and who goes when there is no more.

use std::collections::HashMap;
use std::sync::Arc;

use rustix::process::{Resource, getrlimit};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, Id, JoinError};
use tokio::time::Instant;

use super::activity::Activity;

/// How many connections are served at a time, where nothing else is set.
pub const CONNECTIONS_DEFAULT: usize = 256;
/// The files that an agent has open beside its connections: listeners, the store, gossip, what the runtime
/// needs, and some to spare.
const OTHER_FILES: usize = 64;

/// The connections that are served.
#[derive(Debug)]
pub(super) struct Room {
    limit: usize,
    start: Instant,
    waiting: Arc<Notify>,
    taken: HashMap<Id, (AbortHandle, Activity)>,
}

impl Room {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            start: Instant::now(),
            waiting: Arc::default(),
            taken: HashMap::new(),
        }
    }

    /// The activity of a connection that has just come.
    pub(super) fn activity(&self) -> Activity {
        Activity::new(self.start, self.waiting.clone())
    }

    /// Whether another connection may come, be it in the place of one.
    pub(super) fn is_open(&self) -> bool {
        self.taken.len() < self.limit || self.longest_waiting().is_some()
    }

    /// Resolves when that may have become so other than by an end.
    pub(super) async fn changed(&self) {
        self.waiting.notified().await;
    }

    /// Takes a connection in. Where there is no room, the one goes whose client has been waited for longest;
    /// should all have got to work in this very moment, there is one more than the limit until one ends.
    pub(super) fn enter(&mut self, task: AbortHandle, activity: Activity) {
        if self.taken.len() >= self.limit
            && let Some(id) = self.longest_waiting()
            && let Some((connection, _)) = self.taken.remove(&id)
        {
            tracing::debug!(
                limit = self.limit,
                "an idle connection made room for another"
            );
            connection.abort();
        }
        self.taken.insert(task.id(), (task, activity));
    }

    /// Lets go of a connection that has ended, in whatever way.
    pub(super) fn leave(&mut self, ended: &Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        self.taken.remove(&id);
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
