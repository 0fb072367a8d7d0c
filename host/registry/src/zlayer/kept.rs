//! The entries of one registry, and the instance that decides about them.

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;

use crate::entries::Entries;
use crate::writer::loading::{self, lock};
use edge_cache_core::labels::{LabelGrants, Labels};
use edge_cache_core::{
    Change, EdgeCacheError, EdgeCacheStats, Entry, Limits, NodeCapacity, NodeId,
};
use edge_cache_gossip::PeerInfo;
use edge_cache_sandbox::{
    Failure, GuestLog, Instance, InstanceConfig, LabelPolicy, Plugin, PublishedLabels, WallClock,
};

#[cfg(test)]
mod tests;

/// A change that the plugin decides about.
#[derive(Debug)]
pub(super) enum Request {
    Enable {
        node_id: NodeId,
        capacity: NodeCapacity,
    },
    Disable {
        node_id: NodeId,
    },
}

/// The labels that the plugin published last for the own node.
#[derive(Debug, Default)]
pub(super) struct OwnLabels {
    /// The number of changes that published some.
    pub(super) revision: u64,
    pub(super) labels: Labels,
}

/// The content of a registry. Any thread reads it, and one makes changes.
#[derive(Debug)]
pub(super) struct Kept {
    own: Option<NodeId>,
    surroundings: InstanceConfig,
    entries: ArcSwap<Entries>,
    own_labels: ArcSwap<OwnLabels>,
    /// Absent before the first change and after a failure.
    instance: Mutex<Option<Instance>>,
}

impl Kept {
    /// Creates a registry without entries; with an info, one that publishes labels of this node.
    pub(super) fn new(own: Option<&PeerInfo>) -> Self {
        let detached = LabelPolicy::detached(LabelGrants::default());
        let policy = match own {
            None => detached,
            Some(info) => {
                let foreign = Arc::new(info.labels.clone());
                LabelPolicy {
                    node: Some(info.node_id),
                    foreign: Arc::new(move || foreign.clone()),
                    ..detached
                }
            }
        };
        Self {
            own: policy.node,
            surroundings: InstanceConfig {
                policy,
                log: Arc::new(GuestLog::new(&Limits::default())),
                clock: WallClock::default(),
            },
            entries: ArcSwap::default(),
            own_labels: ArcSwap::default(),
            instance: Mutex::default(),
        }
    }

    pub(super) fn entries(&self) -> Arc<Entries> {
        self.entries.load_full()
    }

    pub(super) fn own_labels(&self) -> Arc<OwnLabels> {
        self.own_labels.load_full()
    }

    /// Makes a change, or none after an error. Blocks, and runs guest code.
    pub(super) fn change(&self, plugin: &Plugin, request: &Request) -> Result<(), EdgeCacheError> {
        let mut entries = Entries::clone(&self.entries.load());
        check_room(&entries, request, plugin.config().limits.nodes_max)?;
        let mut place = lock(&self.instance);
        // A failed instance does not come back: the next change starts one from what is remembered.
        let answer = place
            .take()
            .map_or_else(|| self.start(plugin, &entries), Ok)
            .and_then(|mut instance| Ok((ask(&mut instance, request)?, instance)));
        let (answer, instance) = answer.map_err(|failure| {
            tracing::error!(%failure, "the plugin failed");
            EdgeCacheError::PluginFailed(failure.to_string())
        })?;
        *place = Some(instance);
        let (change, labels) = answer?;
        match change {
            Change::Put(entry) => entries.put(entry),
            Change::Remove(node_id) => entries.remove(node_id),
        }
        self.entries.store(Arc::new(entries));
        self.publish(labels);
        Ok(())
    }

    /// Starts an instance with the remembered entries. Those have published their labels before.
    fn start(&self, plugin: &Plugin, entries: &Entries) -> Result<Instance, Failure> {
        let instance = Instance::start(plugin, self.surroundings.clone())?;
        let entries: Vec<Entry> = entries.iter().cloned().collect();
        loading::load(instance, &entries).map(|(instance, _)| instance)
    }

    fn publish(&self, mut labels: PublishedLabels) {
        let Some(labels) = self.own.and_then(|own| labels.remove(&own)) else {
            return;
        };
        let revision = self.own_labels.load().revision.saturating_add(1);
        self.own_labels
            .store(Arc::new(OwnLabels { revision, labels }));
    }
}

type Answer = Result<(Change, PublishedLabels), EdgeCacheError>;

/// Asks the plugin, and returns the change that it makes with the labels that it published.
fn ask(instance: &mut Instance, request: &Request) -> Result<Answer, Failure> {
    match request {
        Request::Enable { node_id, capacity } => {
            let answer = instance.enable(*node_id, capacity)?;
            Ok(answer.map(|(node, labels)| {
                let stats = EdgeCacheStats::default();
                (Change::Put(Entry { node, stats }), labels)
            }))
        }
        Request::Disable { node_id } => {
            let answer = instance.disable(*node_id)?;
            Ok(answer.map(|labels| (Change::Remove(*node_id), labels)))
        }
    }
}

/// Checks that there is room for a node that is to be enabled.
fn check_room(entries: &Entries, request: &Request, limit: usize) -> Result<(), EdgeCacheError> {
    match request {
        Request::Enable { node_id, .. }
            if entries.len() >= limit && !entries.contains(*node_id) =>
        {
            Err(EdgeCacheError::Full { limit })
        }
        _ => Ok(()),
    }
}
