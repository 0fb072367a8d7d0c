//! The visible state of a registry, compared before and after a call that must change nothing.

use edge_cache_core::labels::Labels;
use edge_cache_core::{EdgeCacheNode, EdgeCacheStats, NodeId};

use crate::describe::Describe;
use crate::registry::{RegistryUnderTest, Violation};

/// The visible state of a registry: its list, and everything about some nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
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
pub(crate) fn snapshot(
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

impl Describe for NodeSnapshot {
    fn describe(&self) -> String {
        format!(
            "node {} enabled: {}, with {} and {}",
            self.node_id,
            self.is_enabled,
            self.stats.describe(),
            self.labels.describe()
        )
    }
}

impl Describe for Snapshot {
    fn describe(&self) -> String {
        format!(
            "the list {}, {}",
            self.list.describe(),
            self.nodes.describe()
        )
    }

    /// Describes only the first difference: others are likely to follow from it.
    fn difference_from(&self, before: &Self) -> String {
        let change = |what: &str, was: String, is: String| {
            format!("must be as it was, but {what} was {was} and is {is}")
        };
        if self.list != before.list {
            return change("its list", before.list.describe(), self.list.describe());
        }
        let nodes = before.nodes.iter().zip(&self.nodes);
        let Some((was, is)) = nodes.into_iter().find(|(was, is)| was != is) else {
            return change("it", before.describe(), self.describe());
        };
        let node_id = was.node_id;
        if was.is_enabled != is.is_enabled {
            let what = format!("is-enabled of node {node_id}");
            change(&what, was.is_enabled.describe(), is.is_enabled.describe())
        } else if was.stats != is.stats {
            let what = format!("stats of node {node_id}");
            change(&what, was.stats.describe(), is.stats.describe())
        } else {
            let what = format!("what node {node_id} publishes");
            change(&what, was.labels.describe(), is.labels.describe())
        }
    }
}

#[cfg(test)]
mod tests;
