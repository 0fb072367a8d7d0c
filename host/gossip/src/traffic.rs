//! What gossip sends, receives and drops, counted.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

/// How long after a line about a dropped datagram the next one with the same reason is logged.
/// Whoever can send one can send a million.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// What a datagram can hold over UDP: the digest of all members must fit one.
const DATAGRAM_BYTES_MAX: u64 = 65_507;
/// From this size on, three quarters of a datagram, a digest is warned of.
const DIGEST_WARN_BYTES: u64 = 49_130;

/// What a pool has sent and received since it started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams that were given to the system.
    pub datagrams_sent: u64,
    /// Bytes in them, without headers of UDP and below.
    pub bytes_sent: u64,
    /// Datagrams that arrived and were read as gossip.
    pub datagrams_received: u64,
    /// Bytes in them, without headers of UDP and below.
    pub bytes_received: u64,
    /// The size of the digest of all members, as it was sent last. It must fit a datagram of 65,507
    /// bytes; from 60,000 on this member answers nobody any more who begins a round.
    pub digest_bytes: u64,
    /// Rounds that were begun at once after a change.
    pub pushes: u64,
    /// Datagrams that were dropped, by reason, in both directions.
    pub dropped: BTreeMap<&'static str, u64>,
}

/// The counters behind [`Traffic`]. Each counts on its own: a reader may see a datagram before its
/// bytes.
#[derive(Debug, Default)]
pub(crate) struct TrafficCounters {
    datagrams_sent: AtomicU64,
    bytes_sent: AtomicU64,
    datagrams_received: AtomicU64,
    bytes_received: AtomicU64,
    digest_bytes: AtomicU64,
    pushes: AtomicU64,
    dropped: Mutex<BTreeMap<&'static str, Dropped>>,
}

#[derive(Debug, Default)]
struct Dropped {
    total: u64,
    said: Option<Instant>,
}

impl TrafficCounters {
    pub(crate) fn read(&self) -> Traffic {
        let dropped = self.dropped();
        Traffic {
            datagrams_sent: self.datagrams_sent.load(Ordering::Relaxed),
            bytes_sent: self.bytes_sent.load(Ordering::Relaxed),
            datagrams_received: self.datagrams_received.load(Ordering::Relaxed),
            bytes_received: self.bytes_received.load(Ordering::Relaxed),
            digest_bytes: self.digest_bytes(),
            pushes: self.pushes.load(Ordering::Relaxed),
            dropped: dropped
                .iter()
                .map(|(reason, dropped)| (*reason, dropped.total))
                .collect(),
        }
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.datagrams_sent.fetch_add(1, Ordering::Relaxed);
        add(&self.bytes_sent, bytes);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.datagrams_received.fetch_add(1, Ordering::Relaxed);
        add(&self.bytes_received, bytes);
    }

    pub(crate) fn digest_sent(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let before = self.digest_bytes.swap(bytes, Ordering::Relaxed);
        if before < DIGEST_WARN_BYTES && bytes >= DIGEST_WARN_BYTES {
            warn!(
                digest_bytes = bytes,
                limit = DATAGRAM_BYTES_MAX,
                "the digest of all members hardly fits a datagram: the cluster needs to be split"
            );
        }
    }

    pub(crate) fn digest_bytes(&self) -> u64 {
        self.digest_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn pushed(&self) {
        self.pushes.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a datagram that went no further, and says so now and then.
    pub(crate) fn drop_datagram(&self, reason: &'static str, other: SocketAddr) {
        let mut dropped = self.dropped();
        let entry = dropped.entry(reason).or_default();
        entry.total = entry.total.saturating_add(1);
        let total = entry.total;
        if entry.said.is_none_or(|said| said.elapsed() > SAY_AGAIN) {
            entry.said = Some(Instant::now());
            drop(dropped);
            warn!(reason, %other, total, "dropped a gossip datagram");
        }
    }

    fn dropped(&self) -> MutexGuard<'_, BTreeMap<&'static str, Dropped>> {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(counter: &AtomicU64, bytes: usize) {
    counter.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
}
