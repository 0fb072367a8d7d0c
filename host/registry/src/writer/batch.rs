//! Changes that are committed together.
//!
//! A batch is a working copy: nothing of it is seen by anyone until the writer commits it. It also holds
//! the component to its word: what the component answers must fit what is remembered.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::queue::{Outcome, Reply};
use crate::entries::{Entries, LabelledEntry};
use crate::metrics::{ChangeKind, RegistryMetrics};
use crate::store::Changes;
use crate::view::View;
use edge_cache_core::EdgeCacheError;
use edge_cache_core::decision::Decision;
use edge_cache_core::decision::{EffectiveDecision, EffectiveDecisions};
use edge_cache_core::labels::Labels;
use edge_cache_core::{EdgeCacheStats, Entry, NodeId};
use edge_cache_sandbox::{Failure, PublishedLabels};

pub(crate) struct Batch {
    pub(crate) entries: Entries,
    pub(crate) decisions: EffectiveDecisions,
    /// The own node's labels, if a change published them.
    pub(crate) own_labels: Option<Labels>,
    own: Option<NodeId>,
    touched: BTreeSet<NodeId>,
    decided: BTreeSet<NodeId>,
    held: Vec<Held>,
}

/// An answer that waits for the commit.
struct Held {
    kind: ChangeKind,
    answer: Reply,
    result: Result<Outcome, EdgeCacheError>,
}

impl Batch {
    pub(crate) fn new(view: &View, own: Option<NodeId>) -> Self {
        Self {
            entries: view.entries.clone(),
            decisions: view.decisions.clone(),
            own_labels: None,
            own,
            touched: BTreeSet::new(),
            decided: BTreeSet::new(),
            held: Vec::new(),
        }
    }

    /// How many changes wait for the commit.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn put(&mut self, entry: Entry, mut published: PublishedLabels) {
        let node_id = entry.node.node_id;
        self.keep_own(&published);
        // A call changes only what it published: without a word about the node, its labels stay.
        let labels = published.remove(&node_id).unwrap_or_else(|| {
            let former = self.entries.get(node_id);
            former
                .map(|labelled| labelled.labels.clone())
                .unwrap_or_default()
        });
        self.entries.put(LabelledEntry { entry, labels });
        self.touched.insert(node_id);
    }

    pub(crate) fn remove(&mut self, node_id: NodeId, published: &PublishedLabels) {
        self.keep_own(published);
        self.entries.remove(node_id);
        self.touched.insert(node_id);
    }

    /// Lets a decision stand.
    pub(crate) fn stand(&mut self, decision: Decision, refused: Option<String>) {
        let node_id = decision.node_id;
        let effective = EffectiveDecision::new(decision, refused);
        self.decisions.insert(node_id, Arc::new(effective));
        self.decided.insert(node_id);
    }

    /// Whether a decision beats all that are known about its node.
    pub(crate) fn is_news(&self, decision: &Decision) -> bool {
        let effective = self.decisions.get(&decision.node_id);
        effective.is_none_or(|effective| decision.beats(&effective.decision))
    }

    /// Whether the batch lets decisions stand that did not before.
    pub(crate) fn decides(&self) -> bool {
        !self.decided.is_empty()
    }

    /// Takes new counters, which must be those before with `delta` added.
    pub(crate) fn count(
        &mut self,
        node_id: NodeId,
        delta: EdgeCacheStats,
        totals: EdgeCacheStats,
    ) -> Result<(), Failure> {
        let broken = |reason: String| Failure::Contract {
            call: "add-stats",
            reason,
        };
        let Some(labelled) = self.entries.get(node_id) else {
            return Err(broken(format!(
                "it counted for node {node_id}, which is not registered"
            )));
        };
        let before = labelled.entry.stats;
        let expected = EdgeCacheStats {
            hits: before.hits.saturating_add(delta.hits),
            misses: before.misses.saturating_add(delta.misses),
        };
        if totals != expected {
            return Err(broken(format!(
                "the totals of node {node_id} must be {} hits and {} misses, it answered {} and {}",
                expected.hits, expected.misses, totals.hits, totals.misses
            )));
        }
        let mut labelled = LabelledEntry::clone(labelled);
        labelled.entry.stats = totals;
        self.entries.put(labelled);
        self.touched.insert(node_id);
        Ok(())
    }

    /// A component that says whether a node is registered must say what is remembered.
    pub(crate) fn check_known<T>(
        &self,
        call: &'static str,
        node_id: NodeId,
        answer: &Result<T, EdgeCacheError>,
    ) -> Result<(), Failure> {
        let known = self.entries.contains(node_id);
        let reason = match answer {
            Ok(_) if !known => format!("it accepted node {node_id}, which is not registered"),
            Err(EdgeCacheError::NodeNotFound(id)) if *id != node_id => {
                format!("asked for node {node_id}, it did not find node {id}")
            }
            Err(EdgeCacheError::NodeNotFound(_)) if known => {
                format!("it did not find node {node_id}, which is registered")
            }
            _ => return Ok(()),
        };
        Err(Failure::Contract { call, reason })
    }

    /// Keeps an answer until the commit.
    pub(crate) fn hold(
        &mut self,
        kind: ChangeKind,
        answer: Reply,
        result: Result<Outcome, EdgeCacheError>,
    ) {
        self.held.push(Held {
            kind,
            answer,
            result,
        });
    }

    /// What the batch changes, for the store.
    pub(crate) fn changes(&self) -> Changes {
        let mut changes = Changes {
            own_labels: self.own_labels.clone(),
            ..Changes::default()
        };
        let decided = self.decided.iter();
        changes.decisions = decided
            .filter_map(|node_id| self.decisions.get(node_id).cloned())
            .collect();
        for &node_id in &self.touched {
            match self.entries.get(node_id) {
                Some(labelled) => changes.put.push(labelled.entry.clone()),
                None => changes.remove.push(node_id),
            }
        }
        changes
    }

    /// Answers every change: as it came out, or with what kept all of them from being made.
    pub(crate) fn answer(self, failed: Option<&EdgeCacheError>, metrics: &RegistryMetrics) {
        for held in self.held {
            let result = failed.map_or(held.result, |error| Err(error.clone()));
            metrics.add_result(held.kind, &result);
            // The caller may have gone away; the change stays.
            let _ = held.answer.send(result);
        }
    }

    /// A change of any node may publish for the own one, whose record then follows.
    fn keep_own(&mut self, published: &PublishedLabels) {
        let Some(own) = self.own else { return };
        let Some(labels) = published.get(&own) else {
            return;
        };
        self.own_labels = Some(labels.clone());
        if let Some(labelled) = self.entries.get(own) {
            let labelled = LabelledEntry {
                entry: labelled.entry.clone(),
                labels: labels.clone(),
            };
            self.entries.put(labelled);
        }
    }
}
