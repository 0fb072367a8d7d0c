//! The limits of the HTTP API, each with its unit.

use std::time::Duration;

pub use edge_cache_api::limits::{
    BODY_BYTES_MAX, KEEP_ALIVE, KEY_BYTES_MAX, NODES_BYTES_MAX, WAIT_MAX,
};

/// Connections to the listener for health at a time.
pub const HEALTH_CONNECTIONS_MAX: usize = 64;
/// Event streams at a time.
pub const EVENT_STREAMS_MAX: usize = 64;
/// Requests with `?wait=` at a time.
pub const WAITS_MAX: usize = 64;

/// Time for the head of a request, from the end of the request before: an idle connection is closed after it.
pub const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);
/// [`HEADERS_TIMEOUT`] of the listener for health, whose clients do not keep connections.
pub const HEALTH_HEADERS_TIMEOUT: Duration = Duration::from_secs(1);
/// The largest head of a request, in bytes; a larger one gets 431.
pub const HEADERS_BYTES_MAX: usize = 16 * 1024;
/// The most headers of a request; more get 431.
pub const HEADERS_MAX: usize = 100;
/// [`HEADERS_BYTES_MAX`] of the traffic listener: a key of 64 KiB, and the rest of the head.
pub const TRAFFIC_HEADERS_BYTES_MAX: usize = 128 * 1024;
/// The most headers of a request to the traffic listener, since proxies pass on those of clients.
pub const TRAFFIC_HEADERS_MAX: usize = 256;
/// [`HEADERS_TIMEOUT`] of the traffic listener. Proxies keep connections for up to an hour, and the side that closes an
/// idle connection should be the proxy, which otherwise loses the request that it sends just then.
pub const TRAFFIC_HEADERS_TIMEOUT: Duration = Duration::from_secs(65 * 60);
/// Snapshots that are taken and sent at a time: each is in memory as a whole.
pub const SNAPSHOTS_MAX: usize = 1;
/// Connections to the traffic listener at a time.
pub const TRAFFIC_CONNECTIONS_MAX: usize = 1_024;
/// DiscoveryRequests that are read at a time; others get 503, and the proxy keeps its endpoints.
pub const DISCOVERIES_MAX: usize = 16;
/// The largest DiscoveryRequest, in bytes: Envoy lists all its extensions in it.
pub const DISCOVERY_BYTES_MAX: usize = 256 * 1024;
/// Time for the TLS handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Time in which a client must take something of its answer.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for which the rest of a request is read after an answer that came before its end.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for requests in progress to end when the agent stops.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The bytes of all bodies up to [`BODY_BYTES_MAX`] in memory together.
pub const SMALL_BODIES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The bytes of all larger bodies in memory together, beside two plugins of the largest size.
pub const LARGE_BODIES_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Time that a body may be behind [`BODY_BYTES_PER_SECOND_MIN`], and so the longest time between two parts.
pub const BODY_GRACE: Duration = Duration::from_secs(10);
/// The least speed of a body, in bytes a second.
pub const BODY_BYTES_PER_SECOND_MIN: u32 = 16 * 1024;

/// Changes in progress at once while all nodes are replaced: a batch of the writer's. The rest of the queue is for
/// other requests.
pub const CHANGES_UNDER_WAY_MAX: usize = 256;
/// Time that a replacement of all nodes waits for another one to end.
pub const TURN_WAIT: Duration = Duration::from_secs(10);
