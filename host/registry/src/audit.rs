//! Audit lines: each durable change of a node, with the capacity before and after.
//!
//! A line is written in the span of the request that asked for the change, so that it names the caller. Decisions of
//! other agents are audited where they were made.

use std::sync::Arc;

use tracing::{Level, Span};

use edge_cache_core::{Entry, NodeId};

/// The target of audit lines.
pub const AUDIT_TARGET: &str = "edge_cache_audit";

/// The audit line of a change that is not durable yet.
#[derive(Debug)]
pub(crate) struct Audited {
    span: Span,
    change: &'static str,
    node_id: NodeId,
    before: Option<Arc<Entry>>,
}

impl Audited {
    /// Creates the line of a change that is about to be made, with the entry that its node has until then.
    pub(crate) fn new(
        change: &'static str,
        node_id: NodeId,
        before: Option<&Arc<Entry>>,
        span: Span,
    ) -> Self {
        Self {
            span,
            change,
            node_id,
            before: before.cloned(),
        }
    }

    /// Writes the line of a durable change.
    pub(crate) fn write(self, after: Option<&Entry>) {
        if !tracing::enabled!(target: AUDIT_TARGET, Level::INFO) {
            return;
        }
        let Self {
            span,
            change,
            node_id,
            before,
        } = self;
        let (before, after) = (capacity(before.as_deref()), capacity(after));
        span.in_scope(|| {
            tracing::info!(target: AUDIT_TARGET, node_id, before, after, "{change}");
        });
    }
}

/// Encodes the capacity of an entry in JSON, as the HTTP API shows it; `null` without an entry.
fn capacity(entry: Option<&Entry>) -> String {
    // Numbers and texts always have a form in JSON.
    serde_json::to_string(&entry.map(|entry| &entry.node.capacity)).unwrap_or_default()
}
