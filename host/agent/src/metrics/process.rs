//! Metrics of the process, under the names that all Prometheus clients give them. A value that the system
//! does not tell is left out.

use std::fmt;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use rustix::param::page_size;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::log::dropped_lines;

#[cfg(test)]
mod tests;

/// Collector of the metrics of this process.
#[derive(Debug)]
pub(super) struct Process {
    started: SystemTime,
}

impl Process {
    /// Returns this process, with the current time as its start.
    pub(super) fn started_now() -> Self {
        Self {
            started: SystemTime::now(),
        }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let cpu = encoder.encode_descriptor(
            "process_cpu",
            "User and system CPU time spent.",
            Some(&Unit::Seconds),
            MetricType::Counter,
        )?;
        ConstCounter::new(cpu_time().as_secs_f64()).encode(cpu)?;
        let dropped = encoder.encode_descriptor(
            "edge_cache_log_dropped_lines",
            "Lines of the log that were dropped because its reader was too slow.",
            None,
            MetricType::Counter,
        )?;
        ConstCounter::new(u64::try_from(dropped_lines()).unwrap_or(u64::MAX)).encode(dropped)?;
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        let start = encoder.encode_descriptor(
            "process_start_time",
            "Start time of the process, in seconds since the Unix epoch.",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        ConstGauge::new(started.as_secs_f64()).encode(start)?;
        let mut gauge = |name, help, unit, value: Option<u64>| match value {
            None => Ok(()),
            Some(value) => {
                let unit: Option<&Unit> = unit;
                let encoder = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
                ConstGauge::new(value).encode(encoder)
            }
        };
        let (size, resident) = memory().unzip();
        let bytes = Some(&Unit::Bytes);
        gauge(
            "process_resident_memory",
            "Resident memory size.",
            bytes,
            resident,
        )?;
        gauge(
            "process_virtual_memory",
            "Virtual memory size.",
            bytes,
            size,
        )?;
        gauge(
            "process_open_fds",
            "Open file descriptors.",
            None,
            open_fds(),
        )?;
        gauge(
            "process_max_fds",
            "Limit of open file descriptors.",
            None,
            getrlimit(Resource::Nofile).current,
        )
    }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Returns the virtual and the resident size, in bytes.
fn memory() -> Option<(u64, u64)> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = statm.split_whitespace();
    let mut bytes = || {
        let pages: u64 = pages.next()?.parse().ok()?;
        Some(pages.saturating_mul(u64::try_from(page_size()).ok()?))
    };
    Some((bytes()?, bytes()?))
}

fn open_fds() -> Option<u64> {
    let listed = fs::read_dir("/proc/self/fd").ok()?.count();
    // The directory itself was open meanwhile.
    u64::try_from(listed.saturating_sub(1)).ok()
}
