//! `plugin try`: shows what a plugin makes of one node: its entry, labels, weight, log lines and costs.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::runtime::Runtime;

use super::{ToolReport, grouped, plugin_file};
use crate::cli::TryArgs;
use edge_cache_api::{EnabledNode, Timestamp};
use edge_cache_core::labels::Labels;
use edge_cache_core::{EdgeCacheNode, LogLevel, NodeId};
use edge_cache_host::routing::Candidate;
use edge_cache_host::sandbox::{
    CompilerProcess, Failure, GuestLog, Instance, InstanceConfig, LabelPolicy, LogLine, Plugin,
    WallClock,
};

/// Calls of each export whose median is the cost.
const CALLS: usize = 100;
/// Time after which no more calls are made.
const TIME_MAX: Duration = Duration::from_secs(1);

/// Tries a plugin with one node. The report is good if the plugin accepts the capacity, or where only labels are given.
///
/// # Errors
///
/// The plugin cannot be read, does not load or fails.
pub fn try_node(
    args: &TryArgs,
    runtime: &Runtime,
    compiler: &CompilerProcess,
) -> Result<ToolReport> {
    let config = args.host.config()?;
    let (_, file) = runtime.block_on(plugin_file(&args.source, &args.registry, &config))?;
    let plugin = runtime.block_on(Plugin::load_in_child(file?, config, compiler));
    let plugin = plugin.context("cannot load the plugin")?;
    let tried = Trial::new(&plugin, args.node_id)?.run(args);
    let tried = tried.context("the plugin failed")?;
    let is_good = tried.refusal.is_none();
    Ok(ToolReport::new(
        is_good,
        args.format,
        |out| tried.table(out),
        &tried,
    ))
}

/// A plugin with an empty registry and one node.
struct Trial {
    instance: Instance,
    log: Arc<GuestLog>,
    node_id: NodeId,
}

/// The output as JSON.
#[derive(Serialize)]
struct Tried {
    /// The entry; none where the capacity is refused.
    node: Option<EnabledNode>,
    /// Why the capacity is refused.
    refusal: Option<String>,
    /// The labels that are judged: those of the entry, or the given ones.
    labels: Labels,
    /// The judgement; none where no key is routed to the node.
    candidate: Option<Judgement>,
    log: Vec<Line>,
    /// Median times of the calls in microseconds, by export.
    costs_us: BTreeMap<&'static str, f64>,
    memory_bytes: usize,
}

/// The judgement of labels to which keys are routed.
#[derive(Serialize)]
struct Judgement {
    weight: u32,
    geo: Option<String>,
}

#[derive(Serialize)]
struct Line {
    level: LogLevel,
    context: String,
    message: String,
}

impl Trial {
    fn new(plugin: &Plugin, node_id: NodeId) -> Result<Self, Failure> {
        let log = Arc::new(GuestLog::new(&plugin.config().limits));
        let config = InstanceConfig {
            policy: LabelPolicy {
                node: Some(node_id),
                ..LabelPolicy::detached(plugin.config().labels.clone())
            },
            log: log.clone(),
            clock: WallClock::default(),
        };
        let mut instance = Instance::start(plugin, config)?;
        instance.load(&[])?;
        Ok(Self {
            instance,
            log,
            node_id,
        })
    }

    fn run(mut self, args: &TryArgs) -> Result<Tried, Failure> {
        let node_id = self.node_id;
        let enabled = self.instance.enable(node_id, &args.capacity)?;
        let (node, published, refusal) = match enabled {
            Ok((node, published)) => (Some(shown(node)), published, None),
            Err(error) => (None, BTreeMap::default(), Some(error.to_string())),
        };
        let own = published.get(&node_id).cloned().unwrap_or_default();
        let labels = args.labels.clone().unwrap_or(own);
        let candidate = self.instance.assess(node_id, &labels)?;
        let candidate = candidate.map(|Candidate { weight, geo }| Judgement { weight, geo });
        // The further calls say the same.
        let log = self.log.latest().into_iter().map(Line::from).collect();
        let enable = median(|| self.instance.enable(node_id, &args.capacity).map(drop))?;
        let assess = median(|| self.instance.assess(node_id, &labels).map(drop))?;
        Ok(Tried {
            node,
            refusal,
            labels,
            candidate,
            log,
            costs_us: BTreeMap::from([("assess", micros(assess)), ("enable", micros(enable))]),
            memory_bytes: self.instance.memory_bytes(),
        })
    }
}

impl From<LogLine> for Line {
    fn from(line: LogLine) -> Self {
        Self {
            level: line.level,
            context: line.context,
            message: line.message,
        }
    }
}

impl Tried {
    fn table(&self, out: &mut String) -> fmt::Result {
        match (&self.node, &self.refusal) {
            (Some(node), _) => {
                let at = humantime::format_rfc3339_millis(node.enabled_at.0);
                let (id, capacity) = (node.node_id, &node.capacity);
                let (ram, disk) = (grouped(capacity.ram_mib), grouped(capacity.disk_mib));
                let geo = capacity.geo.as_deref().unwrap_or("-");
                writeln!(out, "entry      node {id}, enabled at {at}")?;
                let cores = capacity.cpu_cores;
                writeln!(
                    out,
                    "           {cores} cores, {ram} MiB of memory, {disk} MiB of disk, geo {geo}"
                )?;
            }
            (None, reason) => {
                writeln!(out, "refused    {}", reason.as_deref().unwrap_or("-"))?;
            }
        }
        let width = self.labels.keys().map(String::len).max().unwrap_or(0);
        let mut name = "labels";
        for (key, value) in &self.labels {
            writeln!(out, "{name:<11}{key:<width$}  {value}")?;
            name = "";
        }
        if self.labels.is_empty() {
            writeln!(out, "labels     none")?;
        }
        match &self.candidate {
            Some(candidate) => {
                let geo = candidate.geo.as_deref().unwrap_or("-");
                writeln!(out, "weight     {}, geo {geo}", candidate.weight)?;
            }
            None => writeln!(out, "weight     none: no key is routed to these labels")?,
        }
        let mut name = "log";
        for line in &self.log {
            let Line {
                level,
                context,
                message,
            } = line;
            let level: &str = level.into();
            writeln!(out, "{name:<11}{level} {context}: {message}")?;
            name = "";
        }
        let mut name = "cost";
        for (call, micros) in &self.costs_us {
            writeln!(out, "{name:<11}{call} {micros:.1} µs")?;
            name = "";
        }
        let memory = u64::try_from(self.memory_bytes.div_ceil(1024)).unwrap_or(u64::MAX);
        writeln!(out, "           memory {} KiB", grouped(memory))
    }
}

fn shown(node: EdgeCacheNode) -> EnabledNode {
    EnabledNode {
        node_id: node.node_id,
        capacity: node.capacity,
        enabled_at: Timestamp(node.enabled_at),
    }
}

/// Returns the median time of some calls.
fn median(mut call: impl FnMut() -> Result<(), Failure>) -> Result<Duration, Failure> {
    let begun = Instant::now();
    let mut times = Vec::with_capacity(CALLS);
    while times.is_empty() || (times.len() < CALLS && begun.elapsed() < TIME_MAX) {
        let start = Instant::now();
        call()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
