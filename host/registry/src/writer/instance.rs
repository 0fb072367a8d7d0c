//! The life of the plugin's instance: start, load, swap and failure.

use std::time::Instant;

use super::quarantine::Quarantine;
use super::{Running, Writer};
use crate::entries::{Entries, LabelledEntry};
use crate::error::SwapError;
use crate::store::Changes;
use crate::supervisor::{Next, Supervisor};
use edge_cache_core::{Entry, PluginState};
use edge_cache_sandbox::{Failure, Instance, InstanceConfig, LabelPolicy, Plugin, PublishedLabels};

impl Writer {
    /// Starts a fresh instance, loaded with the remembered entries.
    pub(super) fn restart(&mut self) {
        let remembered = self.state.view.load().entries.clone();
        let plugin = self.state.plugin.load_full();
        match self.start_instance(&plugin, &remembered) {
            Ok((instance, labels)) => {
                self.supervisor.started(Instant::now());
                self.running = Running::Instance(Box::new(instance));
                self.publish_loaded(&remembered, labels);
            }
            Err(failure) => self.instance_failed(&failure),
        }
    }

    /// Replaces the plugin. After an error the old one goes on.
    pub(super) fn swap(&mut self, plugin: Plugin) -> Result<(), SwapError> {
        let remembered = self.state.view.load().entries.clone();
        let (instance, labels) = self.start_instance(&plugin, &remembered)?;
        tracing::info!(policy = plugin.policy(), "the plugin was replaced");
        self.state.advertiser.set_policy(plugin.policy());
        self.state.plugin.store(plugin.into());
        // Failures of the old plugin do not count against the new one.
        (self.supervisor, self.quarantine) = (Supervisor::default(), Quarantine::default());
        self.supervisor.started(Instant::now());
        self.running = Running::Instance(Box::new(instance));
        self.state.update_view(|view| {
            view.status.state = PluginState::Starting;
            view.status.last_failure = None;
        });
        self.publish_loaded(&remembered, labels);
        self.retry_refused();
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

    fn start_instance(
        &self,
        plugin: &Plugin,
        remembered: &Entries,
    ) -> Result<(Instance, PublishedLabels), Failure> {
        let config = configured(&self.state.config, plugin);
        let calls = self.state.metrics.calls.clone();
        load(Instance::start_counted(plugin, config, calls)?, remembered)
    }

    /// Publishes the labels of a freshly loaded instance, in place of all former ones.
    fn publish_loaded(&mut self, remembered: &Entries, mut labels: PublishedLabels) {
        let own = self
            .state
            .node_id()
            .and_then(|node_id| labels.get(&node_id).cloned())
            .unwrap_or_default();
        let entries = remembered
            .iter()
            .map(|labelled| LabelledEntry {
                entry: labelled.entry.clone(),
                labels: labels
                    .remove(&labelled.entry.node.node_id)
                    .unwrap_or_default(),
            })
            .collect();
        self.state.update_view(|view| {
            view.entries = entries;
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
        self.entries_changed.send_replace(());
        if self.own_labels != own {
            self.own_labels.clone_from(&own);
            let changes = Changes {
                own_labels: Some(own.clone()),
                ..Changes::default()
            };
            // The store logs a failure, and gets the labels when it is open again.
            let _ = self.durable.commit(&changes, Instant::now());
            self.show_store_failure();
        }
        self.state.advertiser.announce(own);
    }
}

/// Returns the instance configuration with the label grants of a plugin.
pub(crate) fn configured(config: &InstanceConfig, plugin: &Plugin) -> InstanceConfig {
    InstanceConfig {
        policy: LabelPolicy {
            grants: plugin.config().labels.clone(),
            ..config.policy.clone()
        },
        ..config.clone()
    }
}

/// Loads a fresh instance with the remembered entries, and checks that it lists the same.
///
/// Returns the instance and the labels that it published.
pub(crate) fn load(
    mut instance: Instance,
    remembered: &Entries,
) -> Result<(Instance, PublishedLabels), Failure> {
    let entries: Vec<Entry> = remembered
        .iter()
        .map(|labelled| labelled.entry.clone())
        .collect();
    let labels = instance.load(&entries)?;
    let listed = instance.list_eligible()?;
    if !listed.iter().eq(entries.iter().map(|entry| &entry.node)) {
        return Err(Failure::Contract {
            call: "list-eligible",
            reason: "it lists other entries than it was loaded with".to_string(),
        });
    }
    Ok((instance, labels))
}
