//! A component in the sandbox as a subject.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::subject::{Broken, Subject};
use crate::labels::Labels;
use crate::sandbox::{
    Called, Failure, GuestLog, Instance, InstanceConfig, LabelPolicy, Plugin, PublishedLabels,
    WallClock,
};
use crate::types::{Candidate, Change, EdgeCacheStats, NodeId};
use crate::{EdgeCacheError, EdgeCacheNode, Entry, NodeCapacity};

/// One instance of a component. It holds nothing yet, and was not loaded.
pub struct ComponentSubject {
    instance: Instance,
    now: Arc<Mutex<SystemTime>>,
    refusing: Arc<AtomicBool>,
    labels: BTreeMap<NodeId, Labels>,
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
        let clock = now.clone();
        let config = InstanceConfig {
            policy: LabelPolicy {
                node: None,
                grants: plugin.config().labels.clone(),
                foreign: Arc::new(Arc::default),
                // An agent that stops is what makes publishing fail for every node.
                stopping: refusing.clone(),
            },
            log: Arc::new(GuestLog::new(&plugin.config().limits)),
            clock: WallClock::new(move || *clock.lock().unwrap_or_else(PoisonError::into_inner)),
        };
        Ok(Self {
            instance: Instance::start(plugin, config).map_err(words)?,
            now,
            refusing,
            labels: BTreeMap::new(),
        })
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
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    fn refuse_labels(&mut self) {
        self.refusing.store(true, Ordering::Release);
    }

    fn accept_labels(&mut self) {
        self.refusing.store(false, Ordering::Release);
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

fn words(failure: Failure) -> Broken {
    failure.to_string()
}
