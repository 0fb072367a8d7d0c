//! A guest that misbehaves on demand (`tests/guests/hostile`), and what the host makes of it.
//!
//! Each case is `WHAT@EXPORT`, and the errors of a group of cases are one table, exact to the letter. A
//! case is over when all is as it was before and a normal change works.
//!
//! - `guest`: the guest itself
//! - `changes`: misdeeds in the changes of a registry
//! - `calls`: misdeeds in the other exports, call by call
//! - `states`: a registry whose state its component can't take
//! - `starts`: core modules that misbehave before any export is called
//! - `objects`: objects of the collector, and exceptions
//! - `files`: files that cost much to compile or to instantiate
//! - `labels`, `log`, `wasi`: what a component does with what it is given
//! - `reads`: those who only read, while a call hangs

mod calls;
mod changes;
mod files;
mod guest;
mod labels;
mod log;
mod objects;
mod reads;
mod starts;
mod states;
mod wasi;

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use edge_cache_host::{
    EdgeCacheError, EdgeCacheRegistry, EdgeCacheStats, Limits, NodeId, PluginState,
};
use edge_cache_tests::cluster_of_one::{ClusterOfOne, OWN, capacity, capacity_in, labels};

use guest::{hasty, instance, roomy};

pub(crate) use guest::plugin;

/// The node that brings out the guest's bad side.
const TRIGGER: NodeId = 666;
/// A node that has nothing to do with any misdeed.
const OTHER: NodeId = 7;
/// Maximum growth of the process at its peak: the 200 MiB that some guests are allowed for their
/// texts, and as much again for everything else.
const GROWTH_KIB_MAX: u64 = 400 * 1024;
const ONE: EdgeCacheStats = EdgeCacheStats { hits: 1, misses: 1 };

/// A node with entries, counters and labels, whose registry runs the hostile guest.
async fn node(behaviour: &str, limits: Limits) -> Result<ClusterOfOne> {
    let foreign = labels([("edge_cache_rack", "b4")]);
    let node = ClusterOfOne::start(plugin(behaviour, limits)?, foreign).await?;
    let registry = &node.registry;
    registry.enable(OWN, capacity_in("eu")).await?;
    registry.enable(OTHER, capacity()).await?;
    registry.add_stats(OTHER, ONE).await?;
    if !behaviour.ends_with("@enable") {
        registry.enable(TRIGGER, capacity()).await?;
    }
    Ok(node)
}

/// The change that brings the behaviour about.
async fn misbehave(registry: &EdgeCacheRegistry, behaviour: &str) -> Result<(), EdgeCacheError> {
    if behaviour.ends_with("@disable") {
        registry.disable(TRIGGER).await
    } else if behaviour.ends_with("@add-stats") {
        registry.add_stats(TRIGGER, ONE).await.map(drop)
    } else {
        registry.enable(TRIGGER, capacity()).await.map(drop)
    }
}

/// The table of what the changes were answered.
async fn answers(limits: &Limits, behaviours: &[&str]) -> Result<String> {
    let mut table = String::new();
    for behaviour in behaviours {
        let node = node(behaviour, limits.clone()).await?;
        let error = survived(&node, behaviour)
            .await
            .with_context(|| (*behaviour).to_string())?;
        writeln!(table, "{behaviour}: {}", without_lines(&error))?;
    }
    Ok(table)
}

/// Brings the behaviour about, and answers its error when nothing else has come of it.
async fn survived(node: &ClusterOfOne, behaviour: &str) -> Result<EdgeCacheError> {
    let registry = &node.registry;
    let before = node.shown().await?;
    let restarts = registry.status().restarts;
    let error = misbehave(registry, behaviour)
        .await
        .err()
        .context("it was accepted")?;
    assert_eq!(node.shown().await?, before, "{behaviour}");
    // A normal change works, and the component knows what was there before.
    let added = registry.enable(8, capacity()).await?;
    assert_eq!(registry.entry(8).map(|entry| entry.node), Some(added));
    registry.add_stats(8, ONE).await?;
    registry.disable(8).await?;
    assert_eq!(
        registry.add_stats(OTHER, EdgeCacheStats::default()).await?,
        ONE
    );
    assert_eq!(node.shown().await?, before, "{behaviour}");
    let status = registry.status();
    assert_eq!(status.state, PluginState::Running, "{behaviour}");
    let failed = matches!(error, EdgeCacheError::PluginFailed(_));
    assert_eq!(status.restarts - restarts, u64::from(failed), "{behaviour}");
    check_memory()?;
    Ok(error)
}

/// The text of a failure with the number of logged lines in their place, since a fast machine logs others.
fn without_lines(failure: &impl ToString) -> String {
    let text = failure.to_string();
    match text.split_once("; it logged: ") {
        Some((cause, lines)) => format!("{cause}; it logged {} lines", lines.split(" | ").count()),
        None => text,
    }
}

/// Both ends of a text that is too long to be shown, which must be fit for a screen.
fn excerpt(text: &impl ToString) -> String {
    let text = text.to_string();
    assert!(!text.contains(char::is_control), "{text:?}");
    let chars: Vec<char> = text.chars().collect();
    let start: String = chars.iter().take(60).collect();
    let end: String = chars.iter().skip(chars.len().saturating_sub(3)).collect();
    format!("{start} .. {end} | {} bytes", text.len())
}

/// Resident memory of the process when it was last watched anew, in KiB.
static BEFORE: Mutex<Option<u64>> = Mutex::new(None);

/// Starts to watch the memory of the process. What other tests of it took at their peak counts no more.
fn watch_memory() -> Result<()> {
    let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    let (now, highest) = memory_kib()?;
    // While little was taken, the watch goes on for the tests that run at the same time.
    if before.is_none_or(|before| highest.saturating_sub(before) >= GROWTH_KIB_MAX / 2) {
        std::fs::write("/proc/self/clear_refs", "5")?;
        *before = Some(now);
    }
    Ok(())
}

/// Checks that the process stayed within its memory bound since it was watched.
fn check_memory() -> Result<()> {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = before.context("nobody watches the memory")?;
    let growth = memory_kib()?.1.saturating_sub(before);
    assert!(
        growth < GROWTH_KIB_MAX,
        "the process has grown by {growth} KiB"
    );
    Ok(())
}

/// Returns the resident memory now and at its peak.
fn memory_kib() -> Result<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|number| number.parse::<u64>().ok())
    };
    let now = kib("VmRSS:").context("no VmRSS")?;
    let highest = kib("VmHWM:").context("no VmHWM")?;
    Ok((now, highest))
}
