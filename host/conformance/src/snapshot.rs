//! The visible state of a registry, compared before and after a call that must change nothing.

use edge_cache_core::labels::Labels;
use edge_cache_core::{EdgeCacheNode, EdgeCacheStats, NodeId};

use crate::describe::Describe;
use crate::registry::{RegistryUnderTest, Violation};

/// The visible state of a registry: its list, and everything about some nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub(crate) list: Vec<EdgeCacheNode>,
    pub(crate) nodes: Vec<NodeSnapshot>,
}

/// The visible state of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeSnapshot {
    pub(crate) node_id: NodeId,
    pub(crate) is_enabled: bool,
    pub(crate) stats: EdgeCacheStats,
    pub(crate) labels: Labels,
}

/// Reads the visible state of a registry, to be compared before and after a call.
///
/// # Errors
///
/// A call failed.
pub fn snapshot(
    registry: &mut dyn RegistryUnderTest,
    nodes: &[NodeId],
) -> Result<Snapshot, Violation> {
    let list = registry.list_eligible()?;
    let nodes = nodes.iter().map(|&node_id| {
        Ok(NodeSnapshot {
            node_id,
            is_enabled: registry.is_enabled(node_id)?,
            stats: registry.stats(node_id)?,
            labels: registry.labels(node_id),
        })
    });
    Ok(Snapshot {
        list,
        nodes: nodes.collect::<Result<_, Violation>>()?,
    })
}

impl Snapshot {
    /// Returns the name and the description of each part.
    fn parts(&self) -> Vec<(String, String)> {
        let mut parts = vec![("its list".to_string(), self.list.describe())];
        for node in &self.nodes {
            let id = node.node_id;
            parts.extend([
                (
                    format!("is-enabled of node {id}"),
                    node.is_enabled.describe(),
                ),
                (format!("stats of node {id}"), node.stats.describe()),
                (format!("what node {id} publishes"), node.labels.describe()),
            ]);
        }
        parts
    }
}

impl Describe for Snapshot {
    fn describe(&self) -> String {
        let parts = self.parts().into_iter();
        let parts = parts.map(|(name, value)| format!("{name}: {value}"));
        parts.collect::<Vec<_>>().join("; ")
    }

    /// Describes only the first difference: others are likely to follow from it.
    fn difference_from(&self, before: &Self) -> String {
        let mut parts = before.parts().into_iter().zip(self.parts());
        match parts.find(|(was, is)| was != is) {
            Some(((name, was), (_, is))) => {
                format!("must be as it was, but {name} was {was} and is {is}")
            }
            None => "must be as it was, but its list is another".to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
