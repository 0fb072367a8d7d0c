//! What the calls of a component cost: time and memory, with a registry of some size.

use std::time::{Duration, Instant};

use super::component::ComponentSubject;
use super::contract::{at, counters, entry};
use super::samples::Samples;
use super::subject::{Broken, Subject};
use super::words::Words;
use edge_cache_core::{Entry, NodeId};
use edge_cache_sandbox::Plugin;

/// The entries of the registry that is measured; fewer where the agent may hold fewer.
pub const ENTRIES: usize = 1_000;
/// Calls of each kind, at most.
const CALLS_MAX: usize = 1_000;
/// How long calls of one kind are made, at most: a slow component is measured by fewer.
const LOOK_FOR: Duration = Duration::from_millis(500);
/// A node that has no entry yet.
const NEW_NODE: NodeId = NodeId::MAX;

/// What a component's calls cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Costs {
    /// The entries of the registry that was measured.
    pub entries: usize,
    /// Each kind of call.
    pub calls: Vec<CallCost>,
    /// The most linear memory that it had, in bytes.
    pub memory_bytes: usize,
}

/// What one kind of call costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallCost {
    /// The export.
    pub call: &'static str,
    /// How many calls were made.
    pub count: usize,
    /// Half of them took no longer.
    pub p50: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
}

/// Loads a fresh instance with [`ENTRIES`] entries, if it may hold as many, and times its calls.
pub(super) fn measure(plugin: &Plugin, samples: &Samples) -> Result<Costs, Broken> {
    let mut subject = ComponentSubject::start(plugin)?;
    subject.set_time(at(0));
    let entries: Vec<Entry> = (1..)
        .zip(0..ENTRIES.min(subject.room()))
        .map(|(node_id, nth)| entry(node_id, samples.nth(nth), counters(1, 1)))
        .collect();
    accepted(&subject.load(&entries)?)?;
    // What it has just published is what it will be asked to judge.
    let labels = subject.labels(1);
    let capacity = samples.nth(0);

    let mut enables = Timer::new("enable");
    let mut disables = Timer::new("disable");
    while enables.goes_on() && disables.goes_on() {
        let answer = enables.time(|| subject.enable(NEW_NODE, &capacity))?;
        accepted(&answer)?;
        let answer = disables.time(|| subject.disable(NEW_NODE))?;
        accepted(&answer)?;
    }
    let mut assessed = Timer::new("assess");
    while assessed.goes_on() {
        assessed.time(|| subject.assess(1, &labels))?;
    }
    let mut counted = Timer::new("add-stats");
    while counted.goes_on() {
        let answer = counted.time(|| subject.add_stats(1, counters(1, 0)))?;
        accepted(&answer)?;
    }
    let mut listed = Timer::new("list-eligible");
    while listed.goes_on() {
        listed.time(|| subject.list_eligible())?;
    }
    Ok(Costs {
        entries: entries.len(),
        calls: [enables, disables, assessed, counted, listed]
            .map(Timer::cost)
            .into(),
        memory_bytes: subject.memory_bytes(),
    })
}

fn accepted<T, E: Words>(answer: &Result<T, E>) -> Result<(), Broken> {
    match answer {
        Ok(_) => Ok(()),
        Err(error) => Err(format!(
            "a call that is measured must succeed, found the error {}",
            error.words()
        )),
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

    fn goes_on(&self) -> bool {
        self.took.len() < CALLS_MAX && self.total < LOOK_FOR
    }

    fn time<T>(&mut self, call: impl FnOnce() -> Result<T, Broken>) -> Result<T, Broken> {
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

    /// The shortest time that so many of 100 calls did not exceed.
    fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.took.len() * percent).div_ceil(100);
        let index = rank.saturating_sub(1);
        self.took.get(index).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
