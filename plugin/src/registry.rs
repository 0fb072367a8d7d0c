//! The state machine of eligible nodes and their capacities.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::capacity::NodeCapacity;
use crate::entry::{Change, EdgeCacheNode, EdgeCacheStats, Entry, NodeId};
use crate::error::{EdgeCacheError, LabelError, Refusal};
use crate::labels::{Label, capacity_labels};
use crate::time::Timestamp;

/// Publishes the labels of nodes.
///
/// Published labels are staged. The host announces them after the registry's call has succeeded, and discards
/// them if it fails, so the registry never has to withdraw them.
pub trait PublishLabels {
    /// Replaces all labels of `node`. An empty slice withdraws them.
    ///
    /// # Errors
    ///
    /// The labels were refused, and those of the node are unchanged.
    fn publish(&mut self, node: NodeId, labels: &[Label]) -> Result<(), LabelError>;
}

/// The registered nodes.
///
/// A change publishes labels before it commits, so a failed change has no effect. The host limits the number
/// of nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registry {
    entries: BTreeMap<NodeId, Entry>,
}

impl Registry {
    /// Makes a registry without nodes.
    pub const fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
        }
    }

    /// Registers a node at time `now` and returns it. A registered node is overwritten, and its counters are
    /// reset to zero.
    ///
    /// # Errors
    ///
    /// The capacity breaks a bound, or the labels were refused.
    pub fn enable(
        &mut self,
        node_id: NodeId,
        capacity: NodeCapacity,
        now: Timestamp,
        publisher: &mut dyn PublishLabels,
    ) -> Result<EdgeCacheNode, EdgeCacheError> {
        capacity.check()?;
        publisher.publish(node_id, &capacity_labels(&capacity))?;
        let node = EdgeCacheNode {
            node_id,
            capacity,
            enabled_at: now,
        };
        let entry = Entry {
            node: node.clone(),
            stats: EdgeCacheStats::default(),
        };
        self.entries.insert(node_id, entry);
        Ok(node)
    }

    /// Removes a node and withdraws its labels.
    ///
    /// # Errors
    ///
    /// The node is not registered, or the withdrawal was refused.
    pub fn disable(
        &mut self,
        node_id: NodeId,
        publisher: &mut dyn PublishLabels,
    ) -> Result<(), EdgeCacheError> {
        if !self.is_enabled(node_id) {
            return Err(EdgeCacheError::NodeNotFound(node_id));
        }
        publisher.publish(node_id, &[])?;
        self.entries.remove(&node_id);
        Ok(())
    }

    /// Returns whether a node is registered.
    pub fn is_enabled(&self, node_id: NodeId) -> bool {
        self.entries.contains_key(&node_id)
    }

    /// Returns all registered nodes, in ascending order of node id.
    pub fn list_eligible(&self) -> impl ExactSizeIterator<Item = &EdgeCacheNode> {
        self.entries.values().map(|entry| &entry.node)
    }

    /// Returns the counters of a node, or zeros if it is not registered.
    pub fn stats(&self, node_id: NodeId) -> EdgeCacheStats {
        self.entries
            .get(&node_id)
            .map(|entry| entry.stats)
            .unwrap_or_default()
    }

    /// Adds to the counters of a node and returns the totals.
    ///
    /// # Errors
    ///
    /// The node is not registered.
    pub fn add_stats(
        &mut self,
        node_id: NodeId,
        delta: EdgeCacheStats,
    ) -> Result<EdgeCacheStats, EdgeCacheError> {
        let entry = self
            .entries
            .get_mut(&node_id)
            .ok_or(EdgeCacheError::NodeNotFound(node_id))?;
        entry.stats.hits = entry.stats.hits.saturating_add(delta.hits);
        entry.stats.misses = entry.stats.misses.saturating_add(delta.misses);
        Ok(entry.stats)
    }

    /// Adds or replaces entries, exactly as given. Entries of other nodes are unchanged.
    ///
    /// # Errors
    ///
    /// A node is named twice, a capacity breaks a bound, or labels were refused. Ids and capacities are checked
    /// before labels are published.
    pub fn load(
        &mut self,
        entries: Vec<Entry>,
        publisher: &mut dyn PublishLabels,
    ) -> Result<(), Refusal> {
        let mut named = BTreeSet::new();
        for entry in &entries {
            let node_id = entry.node.node_id;
            if !named.insert(node_id) {
                return Err(Refusal::NamedTwice(node_id));
            }
        }
        self.apply(entries.into_iter().map(Change::Put).collect(), publisher)
    }

    /// Applies all changes in order, or none. Only the last change of each node publishes labels.
    ///
    /// # Errors
    ///
    /// A capacity breaks a bound, even if a later change replaces it, or labels were refused. Capacities are
    /// checked before labels are published.
    pub fn apply(
        &mut self,
        mut changes: Vec<Change>,
        publisher: &mut dyn PublishLabels,
    ) -> Result<(), Refusal> {
        changes.iter().try_for_each(check)?;
        keep_last_of_each_node(&mut changes);
        for change in &changes {
            self.publish(change, publisher)
                .map_err(|error| Refusal::node(change.node_id(), error))?;
        }
        for change in changes {
            match change {
                Change::Put(entry) => self.entries.insert(entry.node.node_id, entry),
                Change::Remove(node_id) => self.entries.remove(&node_id),
            };
        }
        Ok(())
    }

    /// Publishes the labels of a change before it is committed.
    fn publish(
        &self,
        change: &Change,
        publisher: &mut dyn PublishLabels,
    ) -> Result<(), LabelError> {
        match change {
            Change::Put(entry) => {
                publisher.publish(entry.node.node_id, &capacity_labels(&entry.node.capacity))
            }
            Change::Remove(node_id) if self.is_enabled(*node_id) => {
                publisher.publish(*node_id, &[])
            }
            // A node that is not registered has no labels to withdraw.
            Change::Remove(_) => Ok(()),
        }
    }
}

fn check(change: &Change) -> Result<(), Refusal> {
    match change {
        Change::Put(entry) => {
            let EdgeCacheNode {
                node_id, capacity, ..
            } = &entry.node;
            capacity
                .check()
                .map_err(|error| Refusal::node(*node_id, error))
        }
        Change::Remove(_) => Ok(()),
    }
}

fn keep_last_of_each_node(changes: &mut Vec<Change>) {
    let mut later = BTreeSet::new();
    changes.reverse();
    changes.retain(|change| later.insert(change.node_id()));
    changes.reverse();
}
