//! A plugin in the sandbox as a registry under test.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use edge_cache_core::labels::Labels;
use edge_cache_core::{
    Change, EdgeCacheError, EdgeCacheNode, EdgeCacheStats, Entry, NodeCapacity, NodeId,
};
use edge_cache_routing::Candidate;
use edge_cache_sandbox::{
    Failure, GuestLog, Instance, InstanceConfig, LabelPolicy, Plugin, PublishedLabels, WallClock,
};

use crate::registry::{OWN_NODE, RegistryUnderTest, Violation};
use crate::samples::Samples;

/// A fresh instance of a plugin, before `state.load`.
#[derive(Debug)]
pub struct PluginUnderTest {
    /// Capacities that the checks use.
    pub samples: Samples,
    pub(crate) instance: Instance,
    now: Arc<Mutex<SystemTime>>,
    refusing: Arc<AtomicBool>,
    /// Labels that other software has set on [`OWN_NODE`].
    foreign: Arc<Mutex<Arc<Labels>>>,
    node_bytes: usize,
    nodes_max: usize,
    labels: BTreeMap<NodeId, Labels>,
}

impl PluginUnderTest {
    /// Instantiates a plugin with its own settings.
    ///
    /// # Errors
    ///
    /// The text says why the plugin cannot be instantiated.
    pub fn start(plugin: &Plugin) -> Result<Self, Violation> {
        let now = Arc::new(Mutex::new(SystemTime::UNIX_EPOCH));
        let refusing = Arc::new(AtomicBool::new(false));
        let foreign = Arc::new(Mutex::new(Arc::<Labels>::default()));
        let (clock, others, refused) = (now.clone(), foreign.clone(), refusing.clone());
        let config = InstanceConfig {
            policy: LabelPolicy {
                node: Some(OWN_NODE),
                grants: plugin.config().labels.clone(),
                foreign: Arc::new(move || lock(&others).clone()),
                available: Arc::new(move || !refused.load(Ordering::Acquire)),
            },
            log: Arc::new(GuestLog::new(&plugin.config().limits)),
            clock: WallClock::new(move || *lock(&clock)),
        };
        Ok(Self {
            samples: Samples::default(),
            instance: Instance::start(plugin, config).map_err(violation)?,
            now,
            refusing,
            foreign,
            node_bytes: plugin.config().limits.labels.node_bytes,
            nodes_max: plugin.config().limits.nodes_max,
            labels: BTreeMap::new(),
        })
    }

    /// Keeps what a `load` or `apply` published.
    fn accept(
        &mut self,
        answer: Result<PublishedLabels, Failure>,
    ) -> Result<Result<(), String>, Violation> {
        match answer {
            Ok(labels) => {
                self.labels.extend(labels);
                Ok(Ok(()))
            }
            Err(failure) => match failure.refusal() {
                Some(reason) => Ok(Err(reason)),
                None => Err(violation(failure)),
            },
        }
    }
}

impl RegistryUnderTest for PluginUnderTest {
    fn sample(&self, nth: usize) -> NodeCapacity {
        self.samples.nth(nth)
    }

    fn nodes_max(&self) -> usize {
        self.nodes_max
    }

    fn enable(
        &mut self,
        node_id: NodeId,
        capacity: &NodeCapacity,
    ) -> Result<Result<EdgeCacheNode, EdgeCacheError>, Violation> {
        let answer = self.instance.enable(node_id, capacity).map_err(violation)?;
        Ok(answer.map(|(node, labels)| {
            self.labels.extend(labels);
            node
        }))
    }

    fn disable(&mut self, node_id: NodeId) -> Result<Result<(), EdgeCacheError>, Violation> {
        let answer = self.instance.disable(node_id).map_err(violation)?;
        Ok(answer.map(|labels| self.labels.extend(labels)))
    }

    fn is_enabled(&mut self, node_id: NodeId) -> Result<bool, Violation> {
        self.instance.is_enabled(node_id).map_err(violation)
    }

    fn list_eligible(&mut self) -> Result<Vec<EdgeCacheNode>, Violation> {
        self.instance.list_eligible().map_err(violation)
    }

    fn stats(&mut self, node_id: NodeId) -> Result<EdgeCacheStats, Violation> {
        self.instance.stats(node_id).map_err(violation)
    }

    fn add_stats(
        &mut self,
        node_id: NodeId,
        delta: EdgeCacheStats,
    ) -> Result<Result<EdgeCacheStats, EdgeCacheError>, Violation> {
        self.instance.add_stats(node_id, delta).map_err(violation)
    }

    fn load(&mut self, entries: &[Entry]) -> Result<Result<(), String>, Violation> {
        let answer = self.instance.load(entries);
        self.accept(answer)
    }

    fn apply(&mut self, changes: &[Change]) -> Result<Result<(), String>, Violation> {
        let answer = self.instance.apply(changes);
        self.accept(answer)
    }

    fn assess(&mut self, node_id: NodeId, labels: &Labels) -> Result<Option<Candidate>, Violation> {
        self.instance.assess(node_id, labels).map_err(violation)
    }

    fn labels(&self, node_id: NodeId) -> Labels {
        self.labels.get(&node_id).cloned().unwrap_or_default()
    }

    fn set_time(&mut self, now: SystemTime) {
        *lock(&self.now) = now;
    }

    fn refuse_labels(&mut self) {
        self.refusing.store(true, Ordering::Release);
    }

    fn refuse_own_labels(&mut self) {
        // Labels of other software that use up the limit of a node leave none for the plugin.
        let all = Labels::from([("other".to_string(), "x".repeat(self.node_bytes))]);
        *lock(&self.foreign) = Arc::new(all);
    }

    fn accept_labels(&mut self) {
        self.refusing.store(false, Ordering::Release);
        *lock(&self.foreign) = Arc::default();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Values are replaced as a whole, so a panic leaves a valid one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn violation(failure: Failure) -> Violation {
    failure.to_string()
}
