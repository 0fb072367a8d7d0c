//! Prometheus metrics of a gossip pool, counted where the work is done.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use strum::VariantArray;
use tracing::warn;

use edge_cache_core::metrics;
use edge_cache_core::metrics::{FixedLabels, counters};

use crate::drop_reason::DropReason;
use crate::validator::protocol::{MEMBERS_MAX, MESSAGE_BYTES_MAX};

/// Size and members of a digest from which a warning is logged: three quarters of what fits.
const DIGEST_WARN_BYTES: u64 = 49_130;
const DIGEST_WARN_MEMBERS: u64 = 3_072;

const SENT: FixedLabels<1> = [("direction", "sent")];
const RECEIVED: FixedLabels<1> = [("direction", "received")];

metrics! {
    /// Metrics of a [`GossipPool`](crate::GossipPool) since its start.
    ///
    /// Each metric counts on its own: a reader may see a datagram before its bytes.
    #[derive(Debug)]
    pub struct GossipMetrics {
        /// Datagrams sent, and datagrams received and read as gossip.
        datagrams: Family<FixedLabels<1>, Counter> = "gossip_datagrams", counters([SENT, RECEIVED]);
        /// Bytes in datagrams sent and received, without the headers of UDP and below.
        bytes: Family<FixedLabels<1>, Counter> = "gossip" in Bytes, counters([SENT, RECEIVED]);
        /// Datagrams dropped in either direction, by reason.
        dropped: Family<FixedLabels<1>, Counter> = "gossip_dropped_datagrams",
            counters(DropReason::VARIANTS.iter().map(|reason| [("reason", reason.into())]));
        /// Size of the digest of all members as last sent; a datagram holds 65,507 bytes.
        pub digest_bytes: Gauge<u64, AtomicU64> = "gossip_digest" in Bytes;
        /// Members in the digest as last sent; a digest names at most 4,096.
        digest_members: Gauge<u64, AtomicU64> = "gossip_digest_members";
        /// Memory of the states of all members, as last measured; the limit is `limits.gossip_bytes`.
        pub(crate) state_bytes: Gauge<u64, AtomicU64> = "gossip_state" in Bytes;
        /// Largest offset of a peer's clock to this node's in the last minute or two, negative if the peer is behind;
        /// known of encrypted gossip only.
        pub(crate) clock_offset: Gauge<f64, AtomicU64> = "gossip_clock_offset" in Seconds;
        /// Gossip rounds begun at once after a change.
        pub pushes: Counter = "gossip_pushes";
        /// Restarts of the gossip server after it ended by itself.
        pub restarts: Counter = "gossip_restarts";
        /// Invalid records of peers that were ignored, each counted once.
        pub bad_records: Counter = "gossip_bad_records";
    }
}

impl GossipMetrics {
    /// Returns the number of datagrams sent, and the bytes in them.
    pub fn sent(&self) -> (u64, u64) {
        self.traffic(&SENT)
    }

    /// Returns the number of datagrams received and read as gossip, and the bytes in them.
    pub fn received(&self) -> (u64, u64) {
        self.traffic(&RECEIVED)
    }

    pub(crate) fn count_sent(&self, bytes: usize) {
        self.count(&SENT, bytes);
    }

    pub(crate) fn count_received(&self, bytes: usize) {
        self.count(&RECEIVED, bytes);
    }

    /// Counts a dropped datagram. Returns the number of those with the same reason.
    pub(crate) fn count_dropped(&self, reason: DropReason) -> u64 {
        let dropped = self.dropped.get_or_create(&[("reason", reason.into())]);
        dropped.inc().saturating_add(1)
    }

    #[cfg(test)]
    pub(crate) fn dropped(&self, reason: DropReason) -> u64 {
        let dropped = self.dropped.get_or_create(&[("reason", reason.into())]);
        dropped.get()
    }

    /// Sets the size of the own digest as sent last, and the number of its members.
    pub(crate) fn set_digest(&self, bytes: usize, members: usize) {
        let is_large =
            |bytes, members| bytes >= DIGEST_WARN_BYTES || members >= DIGEST_WARN_MEMBERS;
        let (bytes, members) = (whole(bytes), whole(members));
        let bytes_before = self.digest_bytes.set(bytes);
        let members_before = self.digest_members.set(members);
        if is_large(bytes, members) && !is_large(bytes_before, members_before) {
            warn!(
                bytes,
                bytes_max = MESSAGE_BYTES_MAX,
                members,
                members_max = MEMBERS_MAX,
                "the digest of all members takes three quarters of what fits: split the cluster"
            );
        }
    }

    pub(crate) fn set_clock_offset_ms(&self, ms: i64) {
        self.clock_offset.set(ms as f64 / 1_000.0);
    }

    pub(crate) fn set_state_bytes(&self, bytes: usize) {
        self.state_bytes.set(whole(bytes));
    }

    fn traffic(&self, direction: &FixedLabels<1>) -> (u64, u64) {
        let of = |family: &Family<_, Counter>| family.get_or_create(direction).get();
        (of(&self.datagrams), of(&self.bytes))
    }

    fn count(&self, direction: &FixedLabels<1>, bytes: usize) {
        self.datagrams.get_or_create(direction).inc();
        self.bytes.get_or_create(direction).inc_by(whole(bytes));
    }
}

fn whole(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
