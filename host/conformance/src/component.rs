//! A component in the sandbox as a subject.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::samples::Samples;
use super::subject::{Broken, OWN_NODE, Subject};
use edge_cache_core::labels::Labels;
use edge_cache_core::{Change, EdgeCacheStats, NodeId};
use edge_cache_core::{EdgeCacheError, EdgeCacheNode, Entry, NodeCapacity};
use edge_cache_routing::Candidate;
use edge_cache_sandbox::{
    Called, Failure, GuestLog, Instance, InstanceConfig, LabelPolicy, Plugin, PublishedLabels,
    WallClock,
};

/// One instance of a component. It holds nothing yet, and was not loaded.
pub struct ComponentSubject {
    instance: Instance,
    now: Arc<Mutex<SystemTime>>,
    refusing: Arc<AtomicBool>,
    /// The labels of other software on [`OWN_NODE`].
    foreign: Arc<Mutex<Arc<Labels>>>,
    node_bytes: usize,
    nodes_max: usize,
    labels: BTreeMap<NodeId, Labels>,
    samples: Samples,
}

impl ComponentSubject {
    /// Instantiates a component; its settings are the plugin's.
    ///
    /// # Errors
    ///
    /// In words, where it can't be instantiated.
    pub fn start(plugin: &Plugin) -> Result<Self, Broken> {
        let now = Arc::new(Mutex::new(SystemTime::UNIX_EPOCH));
        let refusing = Arc::new(AtomicBool::new(false));
        let foreign = Arc::new(Mutex::new(Arc::<Labels>::default()));
        let (clock, others) = (now.clone(), foreign.clone());
        let config = InstanceConfig {
            policy: LabelPolicy {
                node: Some(OWN_NODE),
                grants: plugin.config().labels.clone(),
                foreign: Arc::new(move || lock(&others).clone()),
                closed: refusing.clone(),
            },
            log: Arc::new(GuestLog::new(&plugin.config().limits)),
            clock: WallClock::new(move || *lock(&clock)),
        };
        Ok(Self {
            instance: Instance::start(plugin, config).map_err(words)?,
            now,
            refusing,
            foreign,
            node_bytes: plugin.config().limits.labels.node_bytes,
            nodes_max: plugin.config().limits.nodes_max,
            labels: BTreeMap::new(),
            samples: Samples::default(),
        })
    }

    /// Has the checks work with these capacities.
    #[must_use]
    pub fn with_samples(mut self, samples: Samples) -> Self {
        self.samples = samples;
        self
    }

    /// The linear memory that the component has; it never gives any back.
    pub fn memory_bytes(&self) -> usize {
        self.instance.memory_bytes()
    }

    fn keep(&mut self, published: PublishedLabels) {
        self.labels.extend(published);
    }
}

impl fmt::Debug for ComponentSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComponentSubject")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

impl Subject for ComponentSubject {
    fn sample(&self, nth: usize) -> NodeCapacity {
        self.samples.nth(nth)
    }

    fn room(&self) -> usize {
        self.nodes_max
    }

    fn enable(
        &mut self,
        node_id: NodeId,
        capacity: &NodeCapacity,
    ) -> Result<Result<EdgeCacheNode, EdgeCacheError>, Broken> {
        let answer = self.instance.enable(node_id, capacity).map_err(words)?;
        Ok(answer.map(|Called { value, labels }| {
            self.keep(labels);
            value
        }))
    }

    fn disable(&mut self, node_id: NodeId) -> Result<Result<(), EdgeCacheError>, Broken> {
        let answer = self.instance.disable(node_id).map_err(words)?;
        Ok(answer.map(|Called { labels, .. }| self.keep(labels)))
    }

    fn is_enabled(&mut self, node_id: NodeId) -> Result<bool, Broken> {
        self.instance.is_enabled(node_id).map_err(words)
    }

    fn list_eligible(&mut self) -> Result<Vec<EdgeCacheNode>, Broken> {
        self.instance.list_eligible().map_err(words)
    }

    fn stats(&mut self, node_id: NodeId) -> Result<EdgeCacheStats, Broken> {
        self.instance.stats(node_id).map_err(words)
    }

    fn add_stats(
        &mut self,
        node_id: NodeId,
        delta: EdgeCacheStats,
    ) -> Result<Result<EdgeCacheStats, EdgeCacheError>, Broken> {
        self.instance.add_stats(node_id, delta).map_err(words)
    }

    fn load(&mut self, entries: &[Entry]) -> Result<Result<(), String>, Broken> {
        let answer = self.instance.load(entries);
        self.taken(answer)
    }

    fn apply(&mut self, changes: &[Change]) -> Result<Result<(), String>, Broken> {
        let answer = self.instance.apply(changes);
        self.taken(answer)
    }

    fn assess(&mut self, node_id: NodeId, labels: &Labels) -> Result<Option<Candidate>, Broken> {
        self.instance.assess(node_id, labels).map_err(words)
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
        // Where other software has used up a node's room, no label has any.
        let all = Labels::from([("other".to_string(), "x".repeat(self.node_bytes))]);
        *lock(&self.foreign) = Arc::new(all);
    }

    fn accept_labels(&mut self) {
        self.refusing.store(false, Ordering::Release);
        *lock(&self.foreign) = Arc::default();
    }
}

impl ComponentSubject {
    fn taken(
        &mut self,
        answer: Result<PublishedLabels, Failure>,
    ) -> Result<Result<(), String>, Broken> {
        match answer {
            Ok(labels) => {
                self.keep(labels);
                Ok(Ok(()))
            }
            Err(Failure::Refused(reason)) => Ok(Err(reason)),
            Err(failure) => Err(words(failure)),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in there is replaced whole, so it is right after any panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn words(failure: Failure) -> Broken {
    failure.to_string()
}
