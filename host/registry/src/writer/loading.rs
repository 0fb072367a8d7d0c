//! Loading an instance with the remembered entries.
//!
//! A plugin that has loaded here before may have entries that it does not take any more, since a decision of another agent
//! came by `apply`, or its state has grown. A few of them are left out, so that they do not end the registry.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::entries::Entries;
use crate::state::RegistryState;
use edge_cache_core::labels::Labels;
use edge_cache_core::{Change, Entry, NodeId};
use edge_cache_sandbox::{Failure, Instance, InstanceConfig, LabelPolicy, Plugin, PublishedLabels};
use imbl::ordmap::DiffItem;

#[cfg(test)]
mod tests;

/// The largest number of entries that are left out.
const LOST_MAX: usize = 16;
/// The longest time for finding them.
const SEARCH_MAX: Duration = Duration::from_secs(60);

/// An instance that has loaded the entries.
#[derive(Debug)]
pub(crate) struct Loaded<I = Instance> {
    pub(crate) instance: I,
    /// The labels that it published.
    pub(crate) labels: PublishedLabels,
    /// The entries that were left out, and how it failed with each.
    pub(crate) lost: Vec<(NodeId, Failure)>,
}

impl Loaded {
    /// Applies the difference between the entries that it was loaded with and later ones, in calls of at most
    /// `changes_max` changes.
    pub(crate) fn catch_up(
        &mut self,
        loaded: &Entries,
        now: &Entries,
        changes_max: usize,
    ) -> Result<(), Failure> {
        let changes: Vec<Change> = loaded
            .diff(now)
            .map(|difference| match difference {
                DiffItem::Add(_, entry)
                | DiffItem::Update {
                    new: (_, entry), ..
                } => Change::Put(Entry::clone(entry)),
                DiffItem::Remove(node_id, _) => Change::Remove(*node_id),
            })
            .collect();
        for changes in changes.chunks(changes_max.max(1)) {
            self.labels.extend(self.instance.apply(changes)?);
        }
        Ok(())
    }

    /// Returns whether the labels of the own node are as they were, or no entry was left out.
    pub(crate) fn has_own_labels(&self, own: NodeId, own_labels: &Labels) -> bool {
        let published = self.labels.get(&own);
        let are_same = published.map_or(own_labels.is_empty(), |labels| labels == own_labels);
        self.lost.is_empty() || are_same
    }
}

/// Starts an instance with the remembered entries, and checks that it lists the same.
pub(crate) fn start_loaded(
    state: &RegistryState,
    plugin: &Plugin,
    remembered: &Entries,
) -> Result<Loaded, Failure> {
    let calls = &state.metrics.calls;
    let config = InstanceConfig {
        policy: LabelPolicy {
            grants: plugin.config().labels.clone(),
            ..state.config.policy.clone()
        },
        ..state.config.clone()
    };
    let start = |entries: &[Entry]| {
        let instance = Instance::start_counted(plugin, config.clone(), calls.clone())?;
        load(instance, entries)
    };
    let entries: Vec<Entry> = remembered.iter().cloned().collect();
    let failure = match start(&entries) {
        Ok((instance, labels)) => {
            return Ok(Loaded {
                instance,
                labels,
                lost: Vec::new(),
            });
        }
        Err(failure) => failure,
    };
    // Without a node there are no decisions to set aside.
    if state.node_id().is_none() || !has_loaded(state, plugin) {
        return Err(failure);
    }
    leave_out(start, entries, failure, SEARCH_MAX)
}

/// Loads an instance, and checks that it lists what it has loaded.
pub(crate) fn load(
    mut instance: Instance,
    entries: &[Entry],
) -> Result<(Instance, PublishedLabels), Failure> {
    let labels = instance.load(entries)?;
    let listed = instance.list_eligible()?;
    if !listed.iter().eq(entries.iter().map(|entry| &entry.node)) {
        let reason = "it lists other entries than it was loaded with".to_string();
        return Err(instance.with_lines(Failure::contract("list-eligible", reason)));
    }
    Ok((instance, labels))
}

/// Finds the entries that keep a plugin from loading, by bisection within a time.
fn leave_out<I>(
    start: impl Fn(&[Entry]) -> Result<(I, PublishedLabels), Failure>,
    mut entries: Vec<Entry>,
    failure: Failure,
    search_max: Duration,
) -> Result<Loaded<I>, Failure> {
    let end = Instant::now().checked_add(search_max);
    let is_over = || end.is_none_or(|end| Instant::now() >= end);
    if start(&[]).is_err() {
        return Err(failure);
    }
    let mut last = None;
    let mut lost = Vec::new();
    // So many entries are taken; all of them are not.
    let mut taken = 0;
    while lost.len() < LOST_MAX && !is_over() {
        let mut refused = entries.len();
        while refused.saturating_sub(taken) > 1 && !is_over() {
            let middle = usize::midpoint(taken, refused);
            let (some, _) = entries.split_at_checked(middle).unwrap_or((&entries, &[]));
            match start(some) {
                Ok(_) => taken = middle,
                Err(failure) => (refused, last) = (middle, Some(failure)),
            }
        }
        if refused.saturating_sub(taken) != 1 {
            break;
        }
        let entry = entries.remove(taken);
        let reason = last.take().unwrap_or_else(|| failure.clone());
        lost.push((entry.node.node_id, reason));
        match start(&entries) {
            Ok((instance, labels)) => {
                return Ok(Loaded {
                    instance,
                    labels,
                    lost,
                });
            }
            Err(failure) => last = Some(failure),
        }
    }
    Err(failure)
}

/// Locks a value that is never half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells whether a plugin has loaded here before, with the same settings.
fn has_loaded(state: &RegistryState, plugin: &Plugin) -> bool {
    lock(&state.loaded).contains(&plugin.policy())
}
