//! Changes that are committed together.
//!
//! A batch is a working copy of the view; nobody sees it before the writer commits it. It also checks that the results
//! of the plugin fit the entries.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::OrdMap;
use tokio::sync::oneshot;
use tracing::Span;

use crate::audit::Audited;
use crate::entries::Entries;
use crate::metrics::RegistryMetrics;
use crate::store::Changes;
use crate::view::View;
use edge_cache_core::decision::{Decision, Timestamp};
use edge_cache_core::effective::{DecisionLimits, EffectiveDecision, EffectiveDecisions, SetAside};
use edge_cache_core::labels::Labels;
use edge_cache_core::{EdgeCacheError, EdgeCacheStats, Entry, NodeId, SourceId};
use edge_cache_sandbox::{Failure, PublishedLabels};

#[cfg(test)]
mod tests;

/// The caller of a change. It may have gone away; the change is made all the same.
#[derive(Debug)]
pub(crate) struct Caller {
    /// The channel for the result: the entry of the node, if there is one.
    pub(crate) reply: oneshot::Sender<Result<Option<Entry>, EdgeCacheError>>,
    /// The span of the request.
    pub(crate) span: Span,
}

/// Changes that were made and are not committed yet.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) entries: Entries,
    pub(crate) decisions: EffectiveDecisions,
    pub(crate) overruled: OrdMap<NodeId, Timestamp>,
    pub(crate) sources: OrdMap<SourceId, EdgeCacheStats>,
    /// The labels of the own node, if a change published them.
    pub(crate) own_labels: Option<Labels>,
    own: Option<NodeId>,
    pub(crate) limits: DecisionLimits,
    /// Nodes whose entry changed.
    touched: BTreeSet<NodeId>,
    /// Sources whose last counters changed.
    counted: BTreeSet<SourceId>,
    /// Nodes whose effective decision changed.
    pub(crate) decided: BTreeSet<NodeId>,
    /// The decisions that are forgotten because there are too many.
    pub(crate) forgotten: Vec<Arc<EffectiveDecision>>,
    pub(crate) replies: Vec<PendingReply>,
}

/// The result of a change that waits for the commit.
#[derive(Debug)]
pub(crate) struct PendingReply {
    /// The kind of the change, as metrics name it.
    pub(crate) kind: &'static str,
    pub(crate) caller: Caller,
    pub(crate) audited: Option<Audited>,
    pub(crate) result: Result<Option<Entry>, EdgeCacheError>,
}

impl Batch {
    /// Begins a batch with a copy of the view.
    pub(crate) fn new(view: &View, own: Option<NodeId>, limits: DecisionLimits) -> Self {
        Self {
            entries: view.entries.clone(),
            decisions: view.decisions.clone(),
            overruled: view.overruled.clone(),
            sources: view.sources.clone(),
            own_labels: None,
            own,
            limits,
            touched: BTreeSet::new(),
            counted: BTreeSet::new(),
            decided: BTreeSet::new(),
            forgotten: Vec::new(),
            replies: Vec::new(),
        }
    }

    /// Adds or replaces an entry, with the labels that the call published.
    pub(crate) fn put(&mut self, entry: Entry, published: &PublishedLabels) {
        self.keep_own_labels(published);
        self.touched.insert(entry.node.node_id);
        self.entries.put(entry);
    }

    pub(crate) fn remove(&mut self, node_id: NodeId, published: &PublishedLabels) {
        self.keep_own_labels(published);
        self.entries.remove(node_id);
        self.touched.insert(node_id);
    }

    /// Makes a decision the effective one of its node. If there are too many then, one is forgotten.
    pub(crate) fn set_decision(&mut self, decision: Decision, set_aside: Option<SetAside>) {
        self.decided.insert(decision.node_id);
        self.overruled.remove(&decision.node_id);
        self.decisions.insert(EffectiveDecision {
            decision,
            set_aside,
        });
        while let Some(node_id) = self.decisions.surplus(self.limits) {
            self.forgotten.extend(self.decisions.get(node_id).cloned());
            self.decisions.remove(node_id);
            self.overruled.remove(&node_id);
            self.decided.insert(node_id);
        }
    }

    /// Returns the timestamp and the author of a decision that is made now; none in a registry without a node.
    ///
    /// # Errors
    ///
    /// `NoLaterTime` if the decision that stands has the last timestamp.
    pub(crate) fn stamp(
        &self,
        node_id: NodeId,
        now_ms: u64,
    ) -> Result<Option<(Timestamp, NodeId)>, EdgeCacheError> {
        let effective = self.decisions.get(node_id);
        let standing = effective.map(|effective| effective.decision.at);
        let at = Timestamp::after(standing, now_ms);
        at.check()
            .map_err(|_| EdgeCacheError::NoLaterTime(node_id))?;
        Ok(self.own.map(|own| (at, own)))
    }

    /// Replaces the counters of a node.
    ///
    /// # Errors
    ///
    /// A failure of the contract if the totals are not the former ones plus `delta`; nothing has changed then.
    pub(crate) fn set_stats(
        &mut self,
        node_id: NodeId,
        delta: EdgeCacheStats,
        totals: EdgeCacheStats,
    ) -> Result<(), Failure> {
        let violation = |reason| Failure::contract("add-stats", reason);
        let Some(entry) = self.entries.get(node_id) else {
            return Err(violation(format!(
                "it counted for node {node_id}, which is not registered"
            )));
        };
        let before = entry.stats;
        let expected = before.plus(delta);
        if totals != expected {
            return Err(violation(format!(
                "the totals of node {node_id} must be {} hits and {} misses, it answered {} and {}",
                expected.hits, expected.misses, totals.hits, totals.misses
            )));
        }
        let mut entry = Entry::clone(entry);
        entry.stats = totals;
        self.entries.put(entry);
        self.touched.insert(node_id);
        Ok(())
    }

    /// Replaces the last counters of a source, or forgets it.
    pub(crate) fn set_source(&mut self, source: SourceId, counters: Option<EdgeCacheStats>) {
        match counters {
            Some(counters) => self.sources.insert(source.clone(), counters),
            None => self.sources.remove(&source),
        };
        self.counted.insert(source);
    }

    /// Checks that the plugin knows exactly the registered nodes.
    ///
    /// # Errors
    ///
    /// A failure of the contract if `result` says otherwise about the node.
    pub(crate) fn check_known<T>(
        &self,
        call: &'static str,
        node_id: NodeId,
        result: &Result<T, EdgeCacheError>,
    ) -> Result<(), Failure> {
        let known = self.entries.contains(node_id);
        let reason = match result {
            Ok(_) if !known => format!("it accepted node {node_id}, which is not registered"),
            Err(EdgeCacheError::NodeNotFound(id)) if *id != node_id => {
                format!("asked for node {node_id}, it did not find node {id}")
            }
            Err(EdgeCacheError::NodeNotFound(_)) if known => {
                format!("it did not find node {node_id}, which is registered")
            }
            _ => return Ok(()),
        };
        Err(Failure::contract(call, reason))
    }

    pub(crate) fn changes(&self) -> Changes {
        let mut changes = Changes {
            own_labels: self.own_labels.clone(),
            ..Changes::default()
        };
        for &node_id in &self.decided {
            match self.decisions.get(node_id) {
                Some(effective) => changes.decisions.push(effective.clone()),
                None => changes.forget.push(node_id),
            }
        }
        for source in &self.counted {
            let counters = self.sources.get(source).copied();
            changes.sources.push((source.clone(), counters));
        }
        for &node_id in &self.touched {
            match self.entries.get(node_id) {
                Some(entry) => changes.put.push(Entry::clone(entry)),
                None => changes.remove.push(node_id),
            }
        }
        changes
    }

    /// Sends all results; with `failed`, every change gets this error instead.
    pub(crate) fn reply(self, failed: Option<&EdgeCacheError>, metrics: &RegistryMetrics) {
        for pending in self.replies {
            let result = failed.map_or(pending.result, |error| Err(error.clone()));
            metrics.add_result(pending.kind, &result);
            if let (Some(audited), Ok(after)) = (pending.audited, &result) {
                audited.write(after.as_ref());
            }
            // The caller may have gone away; the change stays.
            let _ = pending.caller.reply.send(result);
        }
    }

    /// Takes the labels of the own node out of a call's publications: a change of any node may publish them.
    fn keep_own_labels(&mut self, published: &PublishedLabels) {
        if let Some(labels) = self.own.and_then(|own| published.get(&own)) {
            self.own_labels = Some(labels.clone());
        }
    }
}
