//! The texts of changes of one node.

use edge_cache_client::NodeId;
use serde_json::{Value, json};

use crate::cli::WaitArgs;

#[cfg(test)]
mod tests;

/// A change of one node that was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    pub(super) node_id: NodeId,
    pub(super) kind: ChangeKind,
    pub(super) wait: WaitArgs,
}

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeKind {
    Enable,
    Disable,
}

impl Change {
    /// Returns the text of a change that is complete.
    pub(super) fn done(&self) -> String {
        let node_id = self.node_id;
        match (self.kind, self.wait.is_waiting()) {
            (ChangeKind::Enable, false) => format!("node {node_id} is enabled"),
            (ChangeKind::Enable, true) => {
                format!("node {node_id} is enabled, and its labels are seen")
            }
            (ChangeKind::Disable, false) => format!("node {node_id} is disabled"),
            (ChangeKind::Disable, true) => {
                format!("node {node_id} is disabled, and its labels are gone")
            }
        }
    }

    /// Returns the text of a change whose labels have not followed in time.
    pub(super) fn pending(&self) -> String {
        let node_id = self.node_id;
        match self.kind {
            ChangeKind::Enable => {
                format!("node {node_id} is enabled; its labels are not seen yet")
            }
            ChangeKind::Disable => {
                format!("node {node_id} is disabled; its labels are still seen")
            }
        }
    }

    /// Returns the JSON of a change that is complete, with the fields of the agent's response to a pending one.
    pub(super) fn json(&self) -> Value {
        let registered = self.kind == ChangeKind::Enable;
        if self.wait.is_waiting() {
            return json!({
                "node_id": self.node_id,
                "registered": registered,
                "advertised": registered,
            });
        }
        json!({"node_id": self.node_id, "registered": registered})
    }
}
