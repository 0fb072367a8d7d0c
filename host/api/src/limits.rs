//! Limits of the HTTP API that clients need to know.

use std::time::Duration;

/// The longest wait for labels that a client may ask for.
pub const WAIT_MAX: Duration = Duration::from_secs(60);
/// The longest silence of an event stream: the agent sends a comment then.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The longest key of a route, in bytes.
pub const KEY_BYTES_MAX: usize = 4 * 1024;
/// The largest body of a request, in bytes, where nothing else is said.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// The largest snapshot that is read, in bytes: 20,000 nodes take 8 MiB.
pub const SNAPSHOT_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// The largest body that replaces all nodes, in bytes.
pub const NODES_BYTES_MAX: usize = 16 * 1024 * 1024;
