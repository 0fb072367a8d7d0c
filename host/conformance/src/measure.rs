//! Measurement of a plugin's calls: time and memory with many entries.

use std::time::{Duration, Instant};

use edge_cache_core::{Entry, NodeId};
use edge_cache_sandbox::Plugin;
use serde::{Serialize, Serializer};

use crate::describe::Describe;
use crate::fixture::{at, counters, entry};
use crate::plugin::PluginUnderTest;
use crate::registry::{RegistryUnderTest, Violation};
use crate::samples::Samples;

/// Number of entries in the measured registry, unless the limit `nodes_max` is lower.
pub const ENTRIES: usize = 1_000;
/// Largest number of measured calls of each export.
const CALLS_MAX: usize = 1_000;
/// Time after which no more calls of an export are made: a slow plugin is measured with fewer calls.
const TIME_MAX: Duration = Duration::from_millis(500);
/// A node without an entry.
const NEW_NODE: NodeId = NodeId::MAX;

/// Measured costs of a plugin: its start, its calls and its memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Costs {
    /// Time of compiling; none if the code came from a cache.
    #[serde(rename = "compile_ms", serialize_with = "as_optional_millis")]
    pub compile: Option<Duration>,
    /// Time of loading the compiled code.
    #[serde(rename = "load_ms", serialize_with = "as_millis")]
    pub load: Duration,
    /// Time of making an instance.
    #[serde(rename = "instantiate_ms", serialize_with = "as_millis")]
    pub instantiate: Duration,
    /// Number of entries in the measured registry.
    pub entries: usize,
    /// Costs of each measured export.
    pub calls: Vec<CallCost>,
    /// Largest size of the linear memories and the heap of objects, in bytes.
    pub memory_bytes: usize,
    /// Limit of this memory, in bytes.
    pub memory_limit_bytes: usize,
}

/// Measured costs of one export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallCost {
    /// Name of the export.
    pub call: &'static str,
    /// Number of calls.
    pub count: usize,
    /// Median duration.
    #[serde(rename = "p50_us", serialize_with = "as_micros")]
    pub p50: Duration,
    /// 99th percentile of the duration.
    #[serde(rename = "p99_us", serialize_with = "as_micros")]
    pub p99: Duration,
}

/// Loads a fresh instance with up to [`ENTRIES`] entries and times its calls.
pub(super) fn measure(plugin: &Plugin, samples: &Samples) -> Result<Costs, Violation> {
    let start = Instant::now();
    let mut registry = PluginUnderTest::start(plugin)?;
    let instantiate = start.elapsed();
    let times = plugin.load_times();
    registry.set_time(at(0));
    let entries: Vec<Entry> = (1..)
        .zip(0..ENTRIES.min(registry.nodes_max()))
        .map(|(node_id, nth)| entry(node_id, samples.nth(nth), counters(1, 1)))
        .collect();
    accepted(&registry.load(&entries)?)?;
    // Peers are assessed by the labels that the plugin itself publishes.
    let labels = registry.labels(1);
    let capacity = samples.nth(0);

    let mut enables = Timer::new("enable");
    let mut disables = Timer::new("disable");
    while enables.has_budget() && disables.has_budget() {
        let answer = enables.time(|| registry.enable(NEW_NODE, &capacity))?;
        accepted(&answer)?;
        let answer = disables.time(|| registry.disable(NEW_NODE))?;
        accepted(&answer)?;
    }
    let mut assesses = Timer::new("assess");
    while assesses.has_budget() {
        assesses.time(|| registry.assess(1, &labels))?;
    }
    let mut additions = Timer::new("add-stats");
    while additions.has_budget() {
        let answer = additions.time(|| registry.add_stats(1, counters(1, 0)))?;
        accepted(&answer)?;
    }
    let mut lists = Timer::new("list-eligible");
    while lists.has_budget() {
        lists.time(|| registry.list_eligible())?;
    }
    Ok(Costs {
        compile: times.compile,
        load: times.load,
        instantiate,
        entries: entries.len(),
        calls: [enables, disables, assesses, additions, lists]
            .map(Timer::cost)
            .into(),
        memory_bytes: registry.instance.memory_bytes(),
        memory_limit_bytes: plugin.config().limits.memory_bytes,
    })
}

fn accepted<T, E: Describe>(answer: &Result<T, E>) -> Result<(), Violation> {
    match answer {
        Ok(_) => Ok(()),
        Err(error) => Err(format!(
            "a call that is measured must succeed, found the error {}",
            error.describe()
        )),
    }
}

fn as_micros<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64() * 1e6)
}

fn as_millis<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64() * 1e3)
}

fn as_optional_millis<S: Serializer>(
    time: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => as_millis(time, serializer),
        None => serializer.serialize_none(),
    }
}

struct Timer {
    call: &'static str,
    took: Vec<Duration>,
    total: Duration,
}

impl Timer {
    fn new(call: &'static str) -> Self {
        Self {
            call,
            took: Vec::new(),
            total: Duration::ZERO,
        }
    }

    fn has_budget(&self) -> bool {
        self.took.len() < CALLS_MAX && self.total < TIME_MAX
    }

    fn time<T>(&mut self, call: impl FnOnce() -> Result<T, Violation>) -> Result<T, Violation> {
        let start = Instant::now();
        let answer = call()?;
        let took = start.elapsed();
        self.took.push(took);
        self.total = self.total.saturating_add(took);
        Ok(answer)
    }

    fn cost(mut self) -> CallCost {
        self.took.sort_unstable();
        CallCost {
            call: self.call,
            count: self.took.len(),
            p50: self.percentile(50),
            p99: self.percentile(99),
        }
    }

    /// Returns the shortest measured time that `percent` of 100 calls did not exceed.
    fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.took.len() * percent).div_ceil(100);
        let index = rank.saturating_sub(1);
        self.took.get(index).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
