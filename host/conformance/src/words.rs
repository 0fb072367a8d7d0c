//! Values in a person's words, and how two of them differ.
//!
//! Whoever reads that a check failed wrote a component, and need not know how this host writes its data down.

use std::time::SystemTime;

use edge_cache_core::EdgeCacheError;
use edge_cache_core::labels::Labels;
use edge_cache_core::{EdgeCacheNode, EdgeCacheStats, NodeCapacity, NodeId};
use edge_cache_routing::Candidate;

/// How many items of a list are named.
const ITEMS_MAX: usize = 8;

/// Something that a registry answers.
pub(super) trait Words {
    /// What it is.
    fn words(&self) -> String;

    /// What is wrong with `self` where `expected` must be.
    fn differs_from(&self, expected: &Self) -> String {
        format!("must be {}, found {}", expected.words(), self.words())
    }
}

impl Words for () {
    fn words(&self) -> String {
        "success".to_string()
    }
}

impl Words for bool {
    fn words(&self) -> String {
        self.to_string()
    }
}

impl Words for u64 {
    fn words(&self) -> String {
        self.to_string()
    }
}

impl Words for usize {
    fn words(&self) -> String {
        self.to_string()
    }
}

impl Words for String {
    fn words(&self) -> String {
        format!("{self:?}")
    }
}

impl Words for SystemTime {
    fn words(&self) -> String {
        jiff::Timestamp::try_from(*self)
            .map_or_else(|_| format!("{self:?}"), |time| time.to_string())
    }
}

impl Words for NodeCapacity {
    fn words(&self) -> String {
        let geo = match &self.geo {
            Some(geo) => format!("in {geo:?}"),
            None => "without a geo".to_string(),
        };
        format!(
            "{} cores, {} MiB RAM and {} MiB disk {geo}",
            self.cpu_cores, self.ram_mib, self.disk_mib
        )
    }
}

impl Words for EdgeCacheNode {
    fn words(&self) -> String {
        format!(
            "node {} with {}, enabled at {}",
            self.node_id,
            self.capacity.words(),
            self.enabled_at.words()
        )
    }
}

impl Words for EdgeCacheStats {
    fn words(&self) -> String {
        format!("{} hits and {} misses", self.hits, self.misses)
    }
}

impl Words for Candidate {
    fn words(&self) -> String {
        match &self.geo {
            Some(geo) => format!("the weight {} in {geo:?}", self.weight),
            None => format!("the weight {} without a geo", self.weight),
        }
    }
}

impl Words for Labels {
    fn words(&self) -> String {
        if self.is_empty() {
            return "no labels".to_string();
        }
        let pairs = self.iter().map(|(key, value)| format!("{key}={value:?}"));
        format!("the labels {}", pairs.collect::<Vec<_>>().join(", "))
    }
}

impl Words for EdgeCacheError {
    fn words(&self) -> String {
        match self {
            Self::Gossip(reason) => format!("gossip({reason:?})"),
            Self::NodeNotFound(node_id) => format!("node-not-found({node_id})"),
            Self::InvalidCapacity(reason) => format!("invalid-capacity({reason:?})"),
            other => other.to_string(),
        }
    }
}

impl<T: Words> Words for Option<T> {
    fn words(&self) -> String {
        self.as_ref().map_or_else(|| "none".to_string(), T::words)
    }
}

impl<T: Words, E: Words> Words for Result<T, E> {
    fn words(&self) -> String {
        match self {
            Ok(value) => value.words(),
            Err(error) => format!("the error {}", error.words()),
        }
    }
}

impl<T: Words> Words for Vec<T> {
    fn words(&self) -> String {
        if self.is_empty() {
            return "empty".to_string();
        }
        let mut items: Vec<String> = self.iter().take(ITEMS_MAX).map(T::words).collect();
        let more = self.len().saturating_sub(items.len());
        if more > 0 {
            items.push(format!("{more} more"));
        }
        format!("[{}]", items.join("; "))
    }
}

/// All that a registry shows of some nodes, for comparing before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) list: Vec<EdgeCacheNode>,
    pub(super) nodes: Vec<NodePicture>,
}

/// All that it shows of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodePicture {
    pub(super) node_id: NodeId,
    pub(super) is_enabled: bool,
    pub(super) stats: EdgeCacheStats,
    pub(super) labels: Labels,
}

impl Words for NodePicture {
    fn words(&self) -> String {
        format!(
            "node {} enabled: {}, with {} and {}",
            self.node_id,
            self.is_enabled,
            self.stats.words(),
            self.labels.words()
        )
    }
}

impl Words for Picture {
    fn words(&self) -> String {
        format!("the list {}, {}", self.list.words(), self.nodes.words())
    }

    /// Only the first difference: the rest is as it was, or follows from it.
    fn differs_from(&self, before: &Self) -> String {
        let change = |what: &str, was: String, is: String| {
            format!("must be as it was, but {what} was {was} and is {is}")
        };
        if self.list != before.list {
            return change("its list", before.list.words(), self.list.words());
        }
        let nodes = before.nodes.iter().zip(&self.nodes);
        let Some((was, is)) = nodes.into_iter().find(|(was, is)| was != is) else {
            return change("it", before.words(), self.words());
        };
        let node_id = was.node_id;
        if was.is_enabled != is.is_enabled {
            let what = format!("is-enabled of node {node_id}");
            change(&what, was.is_enabled.words(), is.is_enabled.words())
        } else if was.stats != is.stats {
            let what = format!("stats of node {node_id}");
            change(&what, was.stats.words(), is.stats.words())
        } else {
            let what = format!("what node {node_id} publishes");
            change(&what, was.labels.words(), is.labels.words())
        }
    }
}

#[cfg(test)]
mod tests;
