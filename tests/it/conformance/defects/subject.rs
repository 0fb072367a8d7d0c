//! A registry with one defect.

use std::time::SystemTime;

use edge_cache_conformance::{RegistryUnderTest, Violation};
use edge_cache_host::labels::Labels;
use edge_cache_host::{
    Candidate, Change, EdgeCacheError, EdgeCacheNode, EdgeCacheStats, Entry, NodeCapacity, NodeId,
};

use super::{Defect, Defective};

impl RegistryUnderTest for Defective {
    // Enough for every defect, and little enough for all of them.
    fn nodes_max(&self) -> usize {
        1_200
    }

    fn enable(
        &mut self,
        node_id: NodeId,
        capacity: &NodeCapacity,
    ) -> Result<Result<EdgeCacheNode, EdgeCacheError>, Violation> {
        let zero = capacity.cpu_cores == 0 || capacity.ram_mib == 0 || capacity.disk_mib == 0;
        if self.has(Defect::RefusesEveryZero) && zero {
            return Ok(Err(EdgeCacheError::InvalidCapacity("a zero".into())));
        }
        let stats = self.inner.stats(node_id)?;
        let mut answer = self.inner.enable(node_id, &self.mended(capacity))?;
        self.remember_labels(node_id);
        self.loaded.remove(&node_id);
        self.applied.remove(&node_id);
        if self.has(Defect::CountersSurviveEnable) && answer.is_ok() {
            self.inner.add_stats(node_id, stats)?.map_err(words)?;
        }
        if self.has(Defect::EnableResetsOthers) && answer.is_ok() {
            self.reset_others(node_id)?;
        }
        if self.has(Defect::EnablesWithoutLabels)
            && matches!(answer, Err(EdgeCacheError::Gossip(_)))
        {
            self.inner.accept_labels();
            self.inner.enable(node_id, capacity)?.map_err(words)?;
            self.inner.refuse_labels();
        }
        if self.has(Defect::TimeIsNotCut) {
            let now = self.now;
            answer = answer.map(|node| EdgeCacheNode {
                enabled_at: now,
                ..node
            });
        }
        Ok(answer)
    }

    fn disable(&mut self, node_id: NodeId) -> Result<Result<(), EdgeCacheError>, Violation> {
        if self.has(Defect::DisableKeepsTheNode) && self.inner.is_enabled(node_id)? {
            return Ok(Ok(()));
        }
        let answer = self.inner.disable(node_id)?;
        match (&answer, self.defect) {
            (Err(EdgeCacheError::NodeNotFound(_)), Defect::DisablesTheUnknown) => Ok(Ok(())),
            (Err(EdgeCacheError::NodeNotFound(_)), Defect::NotFoundIsAGossipError) => {
                Ok(Err(EdgeCacheError::Gossip("not found".into())))
            }
            (Err(EdgeCacheError::Gossip(_)), Defect::DisablesWithoutLabels) => {
                self.inner.accept_labels();
                self.inner.disable(node_id)?.map_err(words)?;
                self.inner.refuse_labels();
                Ok(answer)
            }
            _ => Ok(answer),
        }
    }

    fn is_enabled(&mut self, node_id: NodeId) -> Result<bool, Violation> {
        self.inner.is_enabled(node_id)
    }

    fn list_eligible(&mut self) -> Result<Vec<EdgeCacheNode>, Violation> {
        let mut list = self.inner.list_eligible()?;
        if self.has(Defect::ListsDescending) {
            list.reverse();
        }
        Ok(list)
    }

    fn stats(&mut self, node_id: NodeId) -> Result<EdgeCacheStats, Violation> {
        if self.has(Defect::CountsForTheUnknown) && !self.inner.is_enabled(node_id)? {
            return Ok(EdgeCacheStats { hits: 1, misses: 0 });
        }
        if self.has(Defect::CountersSurviveDisable) && !self.inner.is_enabled(node_id)? {
            let counters = self.last_counters.get(&node_id).copied();
            return Ok(counters.unwrap_or_default());
        }
        self.inner.stats(node_id)
    }

    fn add_stats(
        &mut self,
        node_id: NodeId,
        delta: EdgeCacheStats,
    ) -> Result<Result<EdgeCacheStats, EdgeCacheError>, Violation> {
        let before = self.inner.stats(node_id)?;
        let answer = self.inner.add_stats(node_id, delta)?;
        if let Ok(totals) = answer {
            self.last_counters.insert(node_id, totals);
        }
        if self.has(Defect::CountersWrap) {
            return Ok(answer.map(|_| EdgeCacheStats {
                hits: before.hits.wrapping_add(delta.hits),
                misses: before.misses.wrapping_add(delta.misses),
            }));
        }
        Ok(answer)
    }

    fn load(&mut self, entries: &[Entry]) -> Result<Result<(), String>, Violation> {
        let mut entries = entries.to_vec();
        if self.has(Defect::ForgetsBeyondAThousand) {
            entries.truncate(1_000);
        }
        for entry in &mut entries {
            self.loaded.insert(entry.node.node_id);
            match self.defect {
                Defect::LoadStampsTheTime => entry.node.enabled_at = self.now,
                Defect::LoadForgetsCounters => entry.stats = EdgeCacheStats::default(),
                _ => {}
            }
        }
        if self.has(Defect::LoadReplacesAll) {
            for node in self.inner.list_eligible()? {
                self.inner.disable(node.node_id)?.map_err(words)?;
            }
        }
        if self.has(Defect::TakesInvalidEntries) {
            entries.retain(|entry| entry.node.capacity.check().is_ok());
        }
        if self.has(Defect::LoadsUpToTheRefusal) && !entries.is_empty() {
            for entry in &entries {
                if let Err(reason) = self.inner.load(std::slice::from_ref(entry))? {
                    return Ok(Err(reason));
                }
            }
            return Ok(Ok(()));
        }
        let answer = self.inner.load(&entries)?;
        if self.has(Defect::LoadsWithoutLabels) && answer.is_err() {
            self.inner.accept_labels();
            self.inner.load(&entries)??;
            self.inner.refuse_labels();
        }
        Ok(answer)
    }

    fn apply(&mut self, changes: &[Change]) -> Result<Result<(), String>, Violation> {
        let mut changes = changes.to_vec();
        for change in &mut changes {
            if let Change::Put(entry) = change {
                let node_id = entry.node.node_id;
                self.applied.insert(node_id);
                if self.has(Defect::ApplyKeepsCounters) && self.inner.is_enabled(node_id)? {
                    entry.stats = self.inner.stats(node_id)?;
                }
            }
        }
        if self.has(Defect::AppliesRemovalsFirst) {
            changes.sort_by_key(|change| matches!(change, Change::Put(_)));
        }
        if self.has(Defect::RemovesOnlyTheKnown) {
            for change in &changes {
                if let Change::Remove(node_id) = change
                    && !self.inner.is_enabled(*node_id)?
                {
                    return Ok(Err(format!("node {node_id} is not there")));
                }
            }
        }
        if self.has(Defect::AppliesUpToTheRefusal) {
            for change in &changes {
                if let Err(reason) = self.inner.apply(std::slice::from_ref(change))? {
                    return Ok(Err(reason));
                }
            }
            return Ok(Ok(()));
        }
        let answer = self.inner.apply(&changes)?;
        let removals = changes
            .iter()
            .all(|change| matches!(change, Change::Remove(_)));
        if self.has(Defect::RemovesWithoutLabels) && removals && answer.is_err() {
            self.inner.accept_labels();
            self.inner.apply(&changes)??;
            self.inner.refuse_labels();
            return Ok(Ok(()));
        }
        Ok(answer)
    }

    fn assess(&mut self, node_id: NodeId, labels: &Labels) -> Result<Option<Candidate>, Violation> {
        let is_empty = labels.values().any(String::is_empty);
        if self.has(Defect::FailsOverStrangeLabels) && is_empty {
            return Err("it trapped".to_string());
        }
        let long = labels.values().map(String::len).sum::<usize>() > 20;
        if self.has(Defect::DoesNotKnowItsOwnLabels) && long {
            return Ok(None);
        }
        if self.has(Defect::AssessLooksAtTheState) && !self.inner.is_enabled(node_id)? {
            return Ok(None);
        }
        let mut labels = labels.clone();
        if self.has(Defect::ReadsAPlusSign) {
            for value in labels.values_mut() {
                *value = value.trim_start_matches('+').to_string();
            }
        }
        let candidate = self.inner.assess(node_id, &labels)?;
        if self.has(Defect::WeighsInMebibytes) {
            return Ok(candidate.map(|candidate| Candidate {
                weight: candidate.weight.saturating_mul(1_024).min(65_535),
                ..candidate
            }));
        }
        Ok(candidate)
    }

    fn labels(&self, node_id: NodeId) -> Labels {
        let mut labels = self.inner.labels(node_id);
        match self.defect {
            Defect::LabelsStay if labels.is_empty() => {
                return self.last_labels.get(&node_id).cloned().unwrap_or_default();
            }
            Defect::LoadPublishesNothing if self.loaded.contains(&node_id) => labels.clear(),
            Defect::ApplyPublishesNothing if self.applied.contains(&node_id) => labels.clear(),
            Defect::ASixthLabel if !labels.is_empty() => {
                labels.insert("edge_cache_since".into(), "1".into());
            }
            Defect::AnEmptyGeoLabel if !labels.is_empty() => {
                labels.entry("edge_cache_geo".into()).or_default();
            }
            _ => {}
        }
        labels
    }

    fn set_time(&mut self, now: SystemTime) {
        self.now = now;
        self.inner.set_time(now);
    }

    fn refuse_labels(&mut self) {
        self.inner.refuse_labels();
    }

    fn refuse_own_labels(&mut self) {
        self.inner.refuse_own_labels();
    }

    fn accept_labels(&mut self) {
        self.inner.accept_labels();
    }
}

fn words(error: EdgeCacheError) -> Violation {
    error.to_string()
}
