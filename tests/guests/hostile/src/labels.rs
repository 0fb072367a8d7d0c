//! Forbidden labels that are published. The host's answer is reported.

use crate::behaviour::trigger;
use crate::bindings::zlayer::edge_cache::gossip_labels::{LabelError, publish};
use crate::bindings::zlayer::edge_cache::types::{Label, NodeId};

/// The node that the tests take for the agent's own.
pub(crate) const OWN: NodeId = 1;
/// Another node that is registered.
pub(crate) const OTHER: NodeId = 7;

/// Publishes what `deed` asks for; none where it asks for nothing of this kind.
pub(crate) fn publish_for(deed: &str) -> Option<Result<(), LabelError>> {
    let long = "x".repeat(10 * 1024);
    let labels = match deed {
        "publish" => vec![label("edge_cache", "true")],
        "publish-17" => (0..17)
            .map(|n| label(&format!("edge_cache_{n}"), ""))
            .collect(),
        "publish-twice" => vec![label("edge_cache", "1"), label("edge_cache", "2")],
        "publish-long-key" => vec![label(&format!("edge_cache_{long}"), "")],
        "publish-long-value" => vec![label("edge_cache", &long)],
        "publish-much" => (0..16)
            .map(|n| label(&format!("edge_cache_{n}"), &"x".repeat(200)))
            .collect(),
        "publish-other-key" => vec![label("zone", "mine")],
        "publish-lookalike" => vec![label("edge_cacheable", "true")],
        "publish-escape" => vec![label("edge_cache", "\x1b[2Jgone")],
        "publish-strange-key" => vec![label("edge_cache_\u{202e}", "true")],
        // Of other software, which the test has put there.
        "publish-taken" => return Some(publish(OWN, &[label("edge_cache_rack", "mine")])),
        "publish-nodes" => return Some(publish_for_many_nodes()),
        _ => return None,
    };
    Some(publish(trigger(), &labels))
}

/// The host's answer in words.
pub(crate) fn told(answer: Result<(), LabelError>) -> String {
    match answer {
        Ok(()) => "taken".to_string(),
        Err(LabelError::Denied(reason)) => format!("denied: {reason}"),
        Err(LabelError::TooLarge(limit)) => format!("too large: {limit}"),
        Err(LabelError::Unavailable(reason)) => format!("unavailable: {reason}"),
    }
}

/// Publishes for a node that the call does not name, and goes on as if nothing were.
pub(crate) fn publish_aside(node: NodeId) {
    let _ = publish(node, &[label("edge_cache", "mine")]);
}

/// As much as is allowed for one node, for ten million others.
fn publish_for_many_nodes() -> Result<(), LabelError> {
    let labels: Vec<Label> = (10..18)
        .map(|n| label(&format!("edge_cache_{n}"), &"x".repeat(240)))
        .collect();
    (1_000..10_000_000).try_for_each(|node| publish(node, &labels))
}

fn label(key: &str, value: &str) -> Label {
    Label {
        key: key.to_string(),
        value: value.to_string(),
    }
}
