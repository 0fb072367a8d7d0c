//! The costs of a cluster for a member: traffic, processor time and memory.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};
use tokio::time::{Instant, sleep};

use crate::cluster::Cluster;

/// Counters of a cluster at a moment.
pub(crate) struct Reading {
    datagrams: u64,
    bytes: u64,
    pushes: u64,
    cpu: Duration,
    at: Instant,
}

/// Cost of a member in a second of virtual time.
pub(crate) struct Cost {
    datagrams: f64,
    bytes: f64,
    pushes: f64,
    /// Share of a processor.
    cpu: f64,
}

impl Reading {
    pub(crate) fn take(cluster: &Cluster) -> Self {
        let (datagrams, bytes) = cluster.network.sent();
        Self {
            datagrams,
            bytes,
            pushes: cluster
                .pools()
                .map(|pool| pool.metrics().pushes.get())
                .sum(),
            cpu: cpu_time(),
            at: Instant::now(),
        }
    }

    /// Returns the cost since this reading.
    pub(crate) fn cost(&self, cluster: &Cluster) -> Cost {
        let now = Self::take(cluster);
        let member_seconds = (now.at - self.at).as_secs_f64() * cluster.len() as f64;
        let each = |count: u64| count as f64 / member_seconds;
        Cost {
            datagrams: each(now.datagrams - self.datagrams),
            bytes: each(now.bytes - self.bytes),
            pushes: each(now.pushes.saturating_sub(self.pushes)),
            cpu: (now.cpu - self.cpu).as_secs_f64() / member_seconds,
        }
    }
}

/// Returns the cost of a member while nothing happens.
pub(crate) async fn idle(cluster: &Cluster, lasting: Duration) -> Cost {
    let before = Reading::take(cluster);
    sleep(lasting).await;
    before.cost(cluster)
}

/// Returns the size of the digest of all members, in bytes.
pub(crate) fn digest_bytes(cluster: &Cluster) -> u64 {
    let sizes = cluster
        .pools()
        .map(|pool| pool.metrics().digest_bytes.get());
    sizes.max().unwrap_or_default()
}

/// Returns the resident memory of this process, in bytes.
pub(crate) fn resident_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    let kib: u64 = kib.context("/proc/self/status has no VmRSS")?.parse()?;
    Ok(kib * 1_024)
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} datagrams, {:.1} KB, {:.2} pushes, {:.2} % of a core a member and second",
            self.datagrams,
            self.bytes / 1e3,
            self.pushes,
            self.cpu * 1e2
        )
    }
}
