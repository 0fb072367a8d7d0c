//! Counts the connections of a listener, and compares their limit with the limit of open files.

use rustix::process::{Resource, getrlimit};

use crate::metrics::ListenerMetrics;

/// The files that an agent has open beside its connections: listeners, the store, gossip, the runtime, and some spare.
const OTHER_FILES: usize = 64;

/// An open connection, counted until it is dropped.
#[derive(Debug)]
pub(super) struct OpenConnection(ListenerMetrics);

impl OpenConnection {
    /// Counts a connection that was accepted.
    pub(super) fn count(metrics: ListenerMetrics) -> Self {
        metrics.accepted.inc();
        metrics.connections.inc();
        Self(metrics)
    }

    /// Counts that its client did not complete the TLS handshake.
    pub(super) fn handshake_failed(&self) {
        self.0.handshake_failures.inc();
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

/// Logs a warning where the process may open fewer files than this many connections need.
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
