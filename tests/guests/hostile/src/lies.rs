//! Wrong results, made of right ones.

use crate::behaviour::trigger;
use crate::bindings::exports::zlayer::edge_cache::placement::Candidate;
use crate::bindings::zlayer::edge_cache::types::{EdgeCacheError, EdgeCacheNode, EdgeCacheStats};

/// A text or list larger than any limit lets through.
const HUGE: usize = 100 * 1024 * 1024;
/// Text that forges lines on a screen and is longer than an error may be.
const ESCAPES: &str = "\x1b[2J\x1b[31mall is well\r\n\u{202e}";

pub(crate) fn enabled(
    deed: &str,
    mut node: EdgeCacheNode,
) -> Result<EdgeCacheNode, EdgeCacheError> {
    match deed {
        "other-node" => node.node_id = trigger() + 1,
        "huge" => node.capacity.geo = Some(huge_text()),
        "escapes" => node.capacity.geo = Some(ESCAPES.to_string()),
        "long-geo" => node.capacity.geo = Some("x".repeat(65)),
        "nothing" => {
            node.capacity.cpu_cores = 0;
            node.capacity.ram_mib = 0;
            node.capacity.disk_mib = 0;
        }
        "exact-time" => node.enabled_at.nanoseconds = 1,
        "late" => node.enabled_at.seconds = u64::MAX,
        _ => change(deed)?,
    }
    Ok(node)
}

pub(crate) fn disabled(
    deed: &str,
    answer: Result<(), EdgeCacheError>,
) -> Result<(), EdgeCacheError> {
    change(deed)?;
    answer
}

pub(crate) fn counted(
    deed: &str,
    answer: Result<EdgeCacheStats, EdgeCacheError>,
) -> Result<EdgeCacheStats, EdgeCacheError> {
    change(deed)?;
    let mut totals = answer?;
    match deed {
        "down" => totals.hits -= 1,
        "up" => totals.misses += 1,
        _ => {}
    }
    Ok(totals)
}

/// Result type of any change.
fn change(deed: &str) -> Result<(), EdgeCacheError> {
    Err(match deed {
        "huge" | "huge-error" => EdgeCacheError::Gossip(huge_text()),
        "escaped-error" => EdgeCacheError::Gossip(ESCAPES.repeat(100)),
        "not-found" => EdgeCacheError::NodeNotFound(trigger()),
        "other-not-found" => EdgeCacheError::NodeNotFound(trigger() + 1),
        _ => return Ok(()),
    })
}

pub(crate) fn listed(deed: &str, mut list: Vec<EdgeCacheNode>) -> Vec<EdgeCacheNode> {
    match deed {
        "twice" => list.extend(list.last().cloned()),
        "unsorted" => list.reverse(),
        "forgotten" => list.retain(|node| node.node_id != trigger()),
        "huge" => {
            let last = list.last().cloned();
            let more = HUGE / size_of::<EdgeCacheNode>();
            list.extend(last.into_iter().cycle().take(more));
        }
        _ => {}
    }
    list
}

pub(crate) fn accepted(deed: &str, answer: Result<(), String>) -> Result<(), String> {
    match deed {
        "huge" => Err(huge_text()),
        "escaped-error" => Err(ESCAPES.repeat(100)),
        _ => answer,
    }
}

pub(crate) fn judged(deed: &str, answer: Option<Candidate>) -> Option<Candidate> {
    let candidate = |weight, geo| Some(Candidate { weight, geo });
    match deed {
        "huge" => candidate(1, Some(huge_text())),
        "escapes" => candidate(1, Some(ESCAPES.to_string())),
        "weightless" => candidate(0, None),
        "heavy" => candidate(65_536, None),
        _ => answer,
    }
}

fn huge_text() -> String {
    "x".repeat(HUGE)
}
