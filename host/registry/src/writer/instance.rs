//! The life of the plugin's instance: start, load, swap and failure.

use std::time::Instant;

use super::loading::{Loaded, lock, start_loaded};
use super::quarantine::Quarantine;
use super::retries::Retries;
use super::trial::Trial;
use super::{Running, Writer};
use crate::entries::Entries;
use crate::error::SwapError;
use crate::store::Changes;
use crate::supervisor::{Next, Supervisor};
use edge_cache_core::effective::SetAside;
use edge_cache_core::{NodeId, PluginState};
use edge_cache_sandbox::{Failure, Plugin, PublishedLabels};

/// The number of plugins that are remembered as having loaded here.
const LOADED_MAX: usize = 16;

impl Writer {
    /// Starts a fresh instance, loaded with the remembered entries.
    pub(super) fn restart(&mut self) {
        let remembered = self.state.view.load().entries.clone();
        let plugin = self.state.plugin.load_full();
        match self.start_instance(&plugin, &remembered) {
            Ok(loaded) => self.take_over(&plugin, loaded),
            Err(failure) => self.instance_failed(&failure),
        }
    }

    /// Replaces the plugin by one that was tried. After an error the old one goes on.
    pub(super) fn swap(&mut self, trial: Trial) -> Result<(), SwapError> {
        let Trial {
            plugin,
            mut loaded,
            entries,
        } = trial;
        // One call, so that it has one deadline.
        loaded.catch_up(&entries, &self.state.view.load().entries, usize::MAX)?;
        self.check_own_labels(&loaded)?;
        tracing::info!(policy = plugin.policy(), "the plugin was replaced");
        self.state.advertiser.set_policy(plugin.policy());
        self.state.plugin.store(plugin.clone().into());
        // Failures of the old plugin do not count against the new one.
        (self.supervisor, self.quarantine) = (Supervisor::default(), Quarantine::default());
        self.retries = Retries::default();
        self.state.update_view(|view| {
            view.status.state = PluginState::Starting;
            view.status.last_failure = None;
        });
        self.take_over(&plugin, loaded);
        self.ask_again(true);
        self.state.plugin_changed.notify_one();
        Ok(())
    }

    /// Puts the registry down after a failure of its instance, and schedules the next one.
    pub(super) fn instance_failed(&mut self, failure: &Failure) {
        self.state.metrics.calls.failed(failure);
        let next = self.supervisor.failed(Instant::now());
        let state = match next {
            Next::Retry(_) => PluginState::Restarting,
            Next::Degraded(_) => PluginState::Degraded,
        };
        tracing::error!(%failure, %state, "the plugin failed");
        self.state.update_view(|view| {
            view.status.state = state;
            view.status.last_failure = Some(failure.to_string());
        });
        self.running = Running::Down(next);
    }

    fn start_instance(&self, plugin: &Plugin, remembered: &Entries) -> Result<Loaded, Failure> {
        let loaded = start_loaded(&self.state, plugin, remembered)?;
        self.check_own_labels(&loaded)?;
        Ok(loaded)
    }

    /// Checks that no entry was left out at the cost of the own labels.
    fn check_own_labels(&self, loaded: &Loaded) -> Result<(), Failure> {
        let has_own_labels = self
            .state
            .node_id()
            .is_none_or(|own| loaded.has_own_labels(own, &self.own_labels));
        match loaded.lost.first() {
            Some((_, failure)) if !has_own_labels => Err(failure.clone()),
            _ => Ok(()),
        }
    }

    /// Takes over an instance that was loaded.
    fn take_over(&mut self, plugin: &Plugin, loaded: Loaded) {
        self.supervisor.started(Instant::now());
        self.running = Running::Instance(Box::new(loaded.instance));
        self.set_lost_aside(loaded.lost);
        self.publish_loaded(loaded.labels);
        self.remember_loaded(plugin.policy());
    }

    /// Sets the decisions aside whose entries the plugin does not take any more.
    fn set_lost_aside(&mut self, lost: Vec<(NodeId, Failure)>) {
        if lost.is_empty() {
            return;
        }
        let count = lost.len();
        if let Some((node_id, failure)) = lost.first() {
            tracing::error!(
                count,
                node_id,
                %failure,
                "the plugin was loaded without entries that it does not take, this one first"
            );
        }
        let mut batch = self.new_batch();
        for (node_id, failure) in lost {
            batch.remove(node_id, &PublishedLabels::default());
            let Some(effective) = batch.decisions.get(node_id).cloned() else {
                continue;
            };
            let set_aside = match failure.refusal() {
                Some(reason) => SetAside::Refused(reason),
                None => SetAside::Failed(failure.to_string()),
            };
            self.retries.failed(node_id, Instant::now());
            batch.set_decision(effective.decision.clone(), Some(set_aside));
        }
        self.commit_loaded(&batch.changes());
        self.publish(&batch);
    }

    /// Remembers that a plugin has loaded here.
    fn remember_loaded(&mut self, policy: String) {
        let loaded = {
            let mut loaded = lock(&self.state.loaded);
            if loaded.last() == Some(&policy) {
                return;
            }
            loaded.retain(|other| *other != policy);
            loaded.push(policy);
            let surplus = loaded.len().saturating_sub(LOADED_MAX);
            loaded.drain(..surplus);
            loaded.clone()
        };
        self.commit_loaded(&Changes {
            loaded: Some(loaded),
            ..Changes::default()
        });
    }

    /// Commits what follows from a load. The store logs a failure, and is brought up to date when it is open again.
    fn commit_loaded(&mut self, changes: &Changes) {
        let _ = self.durable.commit(changes, Instant::now());
        self.show_store_failure();
    }

    /// Publishes the own node's labels of a freshly loaded instance, in place of the former ones.
    fn publish_loaded(&mut self, mut labels: PublishedLabels) {
        let own = self.state.node_id().and_then(|own| labels.remove(&own));
        let own = own.unwrap_or_default();
        self.state.update_view(|view| {
            let status = &mut view.status;
            // After a failed commit a fresh instance replaces one that did not fail: no restart.
            if matches!(
                status.state,
                PluginState::Restarting | PluginState::Degraded
            ) {
                status.restarts = status.restarts.saturating_add(1);
            }
            status.state = PluginState::Running;
        });
        if self.own_labels != own {
            self.own_labels.clone_from(&own);
            self.commit_loaded(&Changes {
                own_labels: Some(own),
                ..Changes::default()
            });
        }
        self.announce();
    }
}
