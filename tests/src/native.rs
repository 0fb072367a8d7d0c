//! The reference registry as a plain Rust value, so that the conformance suite also runs without wasm.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use edge_cache_conformance::{OWN_NODE, RegistryUnderTest, Settings, Violation};
use edge_cache_host::labels::Labels;
use edge_cache_host::{
    Candidate, Change, EdgeCacheError, EdgeCacheNode, EdgeCacheStats, Entry, NodeCapacity, NodeId,
};
use edge_cache_plugin as core;

/// The core of the reference component, with a clock and a place for labels.
#[derive(Debug)]
pub struct NativeRegistry {
    registry: core::Registry,
    settings: Result<core::Settings, core::SettingsError>,
    now: SystemTime,
    published: Published,
}

/// Labels as a call publishes them: seen only if it succeeds.
#[derive(Debug, Default, Clone)]
struct Published {
    labels: BTreeMap<NodeId, Labels>,
    refusing: bool,
    refusing_own: bool,
}

impl NativeRegistry {
    /// An empty registry with these settings.
    pub fn new(settings: &Settings) -> Self {
        let pairs: Vec<(String, String)> = settings.clone().into_iter().collect();
        Self {
            registry: core::Registry::new(),
            settings: core::Settings::from_pairs(&pairs),
            now: SystemTime::UNIX_EPOCH,
            published: Published::default(),
        }
    }

    /// Makes a call and keeps what it published if it succeeds.
    fn publishing<T, E>(
        &mut self,
        call: impl FnOnce(&mut core::Registry, &mut Published) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut published = self.published.clone();
        let result = call(&mut self.registry, &mut published);
        if result.is_ok() {
            self.published = published;
        }
        result
    }
}

impl core::PublishLabels for Published {
    fn publish(&mut self, node: NodeId, labels: &[core::Label]) -> Result<(), core::LabelError> {
        if self.refusing {
            return Err(core::LabelError::Unavailable("refused by the test".into()));
        }
        if self.refusing_own && node == OWN_NODE && !labels.is_empty() {
            return Err(core::LabelError::TooLarge(0));
        }
        let labels = labels
            .iter()
            .map(|label| (label.key.clone(), label.value.clone()))
            .collect();
        self.labels.insert(node, labels);
        Ok(())
    }
}

impl RegistryUnderTest for NativeRegistry {
    fn enable(
        &mut self,
        node_id: NodeId,
        capacity: &NodeCapacity,
    ) -> Result<Result<EdgeCacheNode, EdgeCacheError>, Violation> {
        let since = self
            .now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let now = core::Timestamp::cut(since.as_secs(), since.subsec_nanos());
        let capacity = to_core(capacity);
        Ok(self
            .publishing(|registry, published| registry.enable(node_id, capacity, now, published))
            .map(|node| from_core(&node))
            .map_err(error))
    }

    fn disable(&mut self, node_id: NodeId) -> Result<Result<(), EdgeCacheError>, Violation> {
        Ok(self
            .publishing(|registry, published| registry.disable(node_id, published))
            .map_err(error))
    }

    fn is_enabled(&mut self, node_id: NodeId) -> Result<bool, Violation> {
        Ok(self.registry.is_enabled(node_id))
    }

    fn list_eligible(&mut self) -> Result<Vec<EdgeCacheNode>, Violation> {
        Ok(self.registry.list_eligible().map(from_core).collect())
    }

    fn stats(&mut self, node_id: NodeId) -> Result<EdgeCacheStats, Violation> {
        let stats = self.registry.stats(node_id);
        Ok(EdgeCacheStats {
            hits: stats.hits,
            misses: stats.misses,
        })
    }

    fn add_stats(
        &mut self,
        node_id: NodeId,
        delta: EdgeCacheStats,
    ) -> Result<Result<EdgeCacheStats, EdgeCacheError>, Violation> {
        let delta = core::EdgeCacheStats {
            hits: delta.hits,
            misses: delta.misses,
        };
        Ok(self
            .registry
            .add_stats(node_id, delta)
            .map(|stats| EdgeCacheStats {
                hits: stats.hits,
                misses: stats.misses,
            })
            .map_err(error))
    }

    fn load(&mut self, entries: &[Entry]) -> Result<Result<(), String>, Violation> {
        if let Err(refusal) = &self.settings {
            return Ok(Err(refusal.to_string()));
        }
        let entries = entries.iter().map(core_entry).collect::<Result<_, _>>()?;
        Ok(self
            .publishing(|registry, published| registry.load(entries, published))
            .map_err(|refusal| refusal.to_string()))
    }

    fn apply(&mut self, changes: &[Change]) -> Result<Result<(), String>, Violation> {
        let changes = changes
            .iter()
            .map(|change| match change {
                Change::Put(entry) => core_entry(entry).map(core::Change::Put),
                Change::Remove(node_id) => Ok(core::Change::Remove(*node_id)),
            })
            .collect::<Result<_, _>>()?;
        Ok(self
            .publishing(|registry, published| registry.apply(changes, published))
            .map_err(|refusal| refusal.to_string()))
    }

    fn assess(&mut self, _: NodeId, labels: &Labels) -> Result<Option<Candidate>, Violation> {
        let Ok(settings) = self.settings else {
            return Ok(None);
        };
        let labels: Vec<core::Label> = labels
            .iter()
            .map(|(key, value)| core::Label {
                key: key.clone(),
                value: value.clone(),
            })
            .collect();
        let candidate = core::assess(&labels, settings).unwrap_or_default();
        Ok(candidate.map(|candidate| Candidate {
            weight: candidate.weight,
            geo: candidate.geo,
        }))
    }

    fn labels(&self, node_id: NodeId) -> Labels {
        self.published
            .labels
            .get(&node_id)
            .cloned()
            .unwrap_or_default()
    }

    fn set_time(&mut self, now: SystemTime) {
        self.now = now;
    }

    fn refuse_labels(&mut self) {
        self.published.refusing = true;
    }

    fn refuse_own_labels(&mut self) {
        self.published.refusing_own = true;
    }

    fn accept_labels(&mut self) {
        self.published.refusing = false;
        self.published.refusing_own = false;
    }
}

fn to_core(capacity: &NodeCapacity) -> core::NodeCapacity {
    core::NodeCapacity {
        cpu_cores: capacity.cpu_cores,
        ram_mib: capacity.ram_mib,
        disk_mib: capacity.disk_mib,
        geo: capacity.geo.clone(),
    }
}

fn from_core(node: &core::EdgeCacheNode) -> EdgeCacheNode {
    EdgeCacheNode {
        node_id: node.node_id,
        capacity: NodeCapacity {
            cpu_cores: node.capacity.cpu_cores,
            ram_mib: node.capacity.ram_mib,
            disk_mib: node.capacity.disk_mib,
            geo: node.capacity.geo.clone(),
        },
        enabled_at: SystemTime::UNIX_EPOCH
            + Duration::new(node.enabled_at.seconds(), node.enabled_at.nanoseconds()),
    }
}

fn core_entry(entry: &Entry) -> Result<core::Entry, Violation> {
    let since = entry
        .node
        .enabled_at
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_err(|error| error.to_string())?;
    Ok(core::Entry {
        node: core::EdgeCacheNode {
            node_id: entry.node.node_id,
            capacity: to_core(&entry.node.capacity),
            enabled_at: core::Timestamp::exact(since.as_secs(), since.subsec_nanos())
                .ok_or("the time is not whole milliseconds")?,
        },
        stats: core::EdgeCacheStats {
            hits: entry.stats.hits,
            misses: entry.stats.misses,
        },
    })
}

fn error(error: core::EdgeCacheError) -> EdgeCacheError {
    match error {
        core::EdgeCacheError::Gossip(reason) => EdgeCacheError::Gossip(reason),
        core::EdgeCacheError::NodeNotFound(node_id) => EdgeCacheError::NodeNotFound(node_id),
        core::EdgeCacheError::InvalidCapacity(reason) => EdgeCacheError::InvalidCapacity(reason),
    }
}
