//! Prometheus metrics of a gossip pool, counted where the work is done.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tracing::warn;

/// Minimum time between two log lines about dropped datagrams with the same reason: a sender may send
/// millions.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Largest UDP datagram, in bytes. The digest of all members must fit into one.
const DATAGRAM_BYTES_MAX: u64 = 65_507;
/// Digest size from which a warning is logged: three quarters of a datagram.
const DIGEST_WARN_BYTES: u64 = 49_130;

/// Reasons for dropping a datagram. Each has its series from the start; a reason that is missing here gets
/// its series with the first datagram.
const DROP_REASONS: [&str; 25] = [
    "about_self",
    "bad_fragment",
    "bad_key",
    "bad_member",
    "bad_version",
    "digest_full",
    "echoes_self",
    "forged",
    "incomplete",
    "inflated",
    "intruder",
    "large_value",
    "long_name",
    "loopback",
    "malformed",
    "not_chitchat",
    "not_sealed",
    "repeated_fragment",
    "stale",
    "too_many_members",
    "too_many_ops",
    "unknown_key",
    "unsealed",
    "unsent",
    "unwritten",
];

type Labels = [(&'static str, &'static str); 1];

/// Metrics of a [`GossipPool`](crate::GossipPool) since its start.
///
/// Each metric counts on its own: a reader may see a datagram before its bytes.
#[derive(Debug)]
pub struct GossipMetrics {
    /// Datagrams handed to the system.
    pub datagrams_sent: Counter,
    /// Bytes in them, without the headers of UDP and below.
    pub bytes_sent: Counter,
    /// Datagrams that arrived and were read as gossip.
    pub datagrams_received: Counter,
    /// Bytes in them, without the headers of UDP and below.
    pub bytes_received: Counter,
    /// Size of the digest of all members as last sent, in bytes. It must fit into a datagram of 65,507 bytes;
    /// from 60,000 on, this member answers no peer that begins a round.
    pub digest_bytes: Gauge<u64, AtomicU64>,
    /// Rounds that were begun at once after a change.
    pub pushes: Counter,
    /// Restarts of the gossip server after it ended by itself.
    pub restarts: Counter,
    /// Different invalid records of peers that were ignored.
    pub bad_records: Counter,
    datagrams: Family<Labels, Counter>,
    bytes: Family<Labels, Counter>,
    dropped: Family<Labels, Counter>,
    /// Time of the last log line for each reason.
    logged: Mutex<BTreeMap<&'static str, Instant>>,
}

impl Default for GossipMetrics {
    fn default() -> Self {
        let (datagrams, bytes) = (Family::<Labels, Counter>::default(), Family::default());
        let dropped = Family::<Labels, Counter>::default();
        for reason in DROP_REASONS {
            dropped.get_or_create_owned(&[("reason", reason)]);
        }
        let (sent, received) = ([("direction", "sent")], [("direction", "received")]);
        Self {
            datagrams_sent: datagrams.get_or_create_owned(&sent),
            bytes_sent: bytes.get_or_create_owned(&sent),
            datagrams_received: datagrams.get_or_create_owned(&received),
            bytes_received: bytes.get_or_create_owned(&received),
            digest_bytes: Gauge::default(),
            pushes: Counter::default(),
            restarts: Counter::default(),
            bad_records: Counter::default(),
            datagrams,
            bytes,
            dropped,
            logged: Mutex::default(),
        }
    }
}

impl GossipMetrics {
    pub(crate) fn sent(&self, bytes: usize) {
        self.datagrams_sent.inc();
        self.bytes_sent.inc_by(whole(bytes));
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.datagrams_received.inc();
        self.bytes_received.inc_by(whole(bytes));
    }

    pub(crate) fn digest_sent(&self, bytes: usize) {
        let bytes = whole(bytes);
        let before = self.digest_bytes.set(bytes);
        if before < DIGEST_WARN_BYTES && bytes >= DIGEST_WARN_BYTES {
            warn!(
                digest_bytes = bytes,
                limit = DATAGRAM_BYTES_MAX,
                "the digest of all members hardly fits a datagram: split the cluster"
            );
        }
    }

    /// Counts a dropped datagram, and logs it at most once a minute for each reason.
    pub(crate) fn drop_datagram(&self, reason: &'static str, other: SocketAddr) {
        let dropped = self.dropped.get_or_create_owned(&[("reason", reason)]);
        let total = dropped.inc().saturating_add(1);
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged
            .get(reason)
            .is_none_or(|at| at.elapsed() > LOG_INTERVAL)
        {
            logged.insert(reason, Instant::now());
            drop(logged);
            warn!(reason, %other, total, "dropped a gossip datagram");
        }
    }

    /// Registers all of these metrics.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "gossip_datagrams",
            "Datagrams sent, and datagrams received and read as gossip",
            self.datagrams.clone(),
        );
        registry.register_with_unit(
            "gossip",
            "Bytes in datagrams sent and received, without the headers of UDP and below",
            Unit::Bytes,
            self.bytes.clone(),
        );
        registry.register(
            "gossip_dropped_datagrams",
            "Datagrams dropped in either direction, by reason",
            self.dropped.clone(),
        );
        registry.register_with_unit(
            "gossip_digest",
            "Size of the digest of all members as last sent; a datagram holds 65,507 bytes",
            Unit::Bytes,
            self.digest_bytes.clone(),
        );
        registry.register(
            "gossip_pushes",
            "Gossip rounds begun at once after a change",
            self.pushes.clone(),
        );
        registry.register(
            "gossip_restarts",
            "Restarts of the gossip server after it ended by itself",
            self.restarts.clone(),
        );
        registry.register(
            "gossip_bad_records",
            "Invalid records of peers that were ignored, each counted once",
            self.bad_records.clone(),
        );
    }
}

fn whole(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
