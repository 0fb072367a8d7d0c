//! Loading an instance with the remembered entries.
//!
//! A plugin that has loaded here before may have entries that it does not take any more, since a decision of another agent
//! came by `apply`, or its state has grown. A few of them are left out, so that they do not end the registry.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::entries::Entries;
use crate::state::RegistryState;
use edge_cache_core::labels::Labels;
use edge_cache_core::{Entry, NodeId};
use edge_cache_sandbox::{
    CallMetrics, Failure, Instance, InstanceConfig, LabelPolicy, Plugin, PublishedLabels,
};

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

/// Starts an instance with the remembered entries, and checks that it lists the same.
///
/// With `own_labels`, no entry is left out if the labels of the own node would differ from them.
pub(crate) fn start_loaded(
    state: &RegistryState,
    plugin: &Plugin,
    calls: &CallMetrics,
    remembered: &Entries,
    own_labels: Option<&Labels>,
) -> Result<Loaded, Failure> {
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
    let Some(own) = state.node_id().filter(|_| has_loaded(state, plugin)) else {
        return Err(failure);
    };
    let loaded = leave_out(start, entries, failure.clone(), SEARCH_MAX)?;
    let has_own_labels = own_labels.is_none_or(|own_labels| {
        let published = loaded.labels.get(&own);
        published.map_or(own_labels.is_empty(), |labels| labels == own_labels)
    });
    if has_own_labels {
        Ok(loaded)
    } else {
        Err(failure)
    }
}

/// Loads an instance, and checks that it lists what it has loaded.
fn load(mut instance: Instance, entries: &[Entry]) -> Result<(Instance, PublishedLabels), Failure> {
    let labels = instance.load(entries)?;
    let listed = instance.list_eligible()?;
    if !listed.iter().eq(entries.iter().map(|entry| &entry.node)) {
        return Err(Failure::Contract {
            call: "list-eligible",
            reason: "it lists other entries than it was loaded with".to_string(),
        });
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
