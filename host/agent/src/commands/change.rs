//! The texts of changes of one node.

use edge_cache_client::{NodeChange, NodeId};
use edge_cache_core::text;
use serde_json::{Value, json};

use crate::cli::WaitArgs;

#[cfg(test)]
mod tests;

/// Why labels of a node are not seen where none of its members is alive.
pub(super) const NOBODY: &str = "no member with its id is alive";

/// Why labels of a node that is not alive here may be seen elsewhere.
const UNHEARD: &str =
    "its member is silent without having left, or this agent is cut off or not ready";
/// Why labels of a live node may be seen.
const BEHIND: &str = "its agent has not followed yet, or this agent is cut off or not ready";

/// Returns the reason for which the node's own agent refuses a change.
pub(super) fn refusal(state: &NodeChange) -> Option<&str> {
    state.decision.as_ref()?.refused_by_node.as_deref()
}

/// A change of one node that was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    pub(super) node_id: NodeId,
    /// `true` if the node was enabled, `false` if it was disabled.
    pub(super) registered: bool,
    pub(super) wait: WaitArgs,
}

impl Change {
    /// Returns the text of a change that is complete.
    pub(super) fn done(&self) -> String {
        let (state, labels) = match self.registered {
            true => ("enabled", "seen"),
            false => ("disabled", "gone"),
        };
        let node = format!("node {} is {state}", self.node_id);
        if self.wait.is_waiting() {
            return format!("{node}, and its labels are {labels}");
        }
        node
    }

    /// Returns the text of a change whose labels have not followed in time, or that the node's own agent refuses.
    pub(super) fn pending(&self, state: &NodeChange) -> String {
        if let Some(reason) = refusal(state) {
            let reason = text::clean(reason, text::ERROR_BYTES_MAX);
            return format!(
                "the agent of node {} refuses the change: {reason}",
                self.node_id
            );
        }
        let text = match self.registered {
            true if state.alive => "enabled; its labels are not seen yet".to_string(),
            true => format!("enabled; its labels are not seen yet: {NOBODY}"),
            false if state.alive => format!("disabled; its labels may still be seen: {BEHIND}"),
            false => format!("disabled; its labels may still be seen: {UNHEARD}"),
        };
        format!("node {} is {text}", self.node_id)
    }

    /// Returns the JSON of a change that is complete, with the fields of the agent's response to a pending one.
    pub(super) fn json(&self) -> Value {
        let mut json = json!({"node_id": self.node_id, "registered": self.registered});
        if self.wait.is_waiting()
            && let Some(fields) = json.as_object_mut()
        {
            fields.insert("advertised".to_string(), self.registered.into());
        }
        json
    }
}
