//! The life of the component's instance: started, loaded, replaced by another component's, and its end.

use std::sync::Arc;
use std::time::Instant;

use super::load;
use super::quarantine::Quarantine;
use super::{Running, Writer};
use crate::entries::{Entries, LabelledEntry};
use crate::error::SwapError;
use crate::status::PluginState;
use crate::store::Changes;
use crate::supervisor::{Next, Supervisor};
use crate::view::View;
use edge_cache_sandbox::{Failure, Instance, InstanceConfig, Plugin, PublishedLabels};

impl Writer {
    /// Starts a fresh instance, loaded with what is remembered and compared with it.
    pub(super) fn revive(&mut self) {
        let remembered = self.parts.view.load().entries.clone();
        match self.fresh(&self.parts.plugin, self.parts.config.clone(), &remembered) {
            Ok((instance, labels)) => {
                self.supervisor.started(Instant::now());
                self.running = Running::Instance(Box::new(instance));
                self.take_over(&remembered, labels);
            }
            Err(failure) => self.down(&failure),
        }
    }

    fn fresh(
        &self,
        plugin: &Plugin,
        config: InstanceConfig,
        remembered: &Entries,
    ) -> Result<(Instance, PublishedLabels), Failure> {
        let calls = self.parts.metrics.calls.clone();
        load::load(Instance::start_counted(plugin, config, calls)?, remembered)
    }

    /// Lets another component go on from here. After an error the one before does.
    pub(super) fn swap(&mut self, plugin: Plugin) -> Result<(), SwapError> {
        let remembered = self.parts.view.load().entries.clone();
        let config = load::configured(&self.parts.config, &plugin);
        let (instance, labels) = self.fresh(&plugin, config.clone(), &remembered)?;
        tracing::info!(policy = plugin.policy(), "another component has taken over");
        self.parts.advertiser.set_policy(plugin.policy());
        self.parts.shown.store(Arc::new(plugin.clone()));
        (self.parts.plugin, self.parts.config) = (plugin, config);
        // What the one before has done is not this one's fault.
        (self.supervisor, self.quarantine) = (Supervisor::default(), Quarantine::default());
        self.supervisor.started(Instant::now());
        self.running = Running::Instance(Box::new(instance));
        let mut view = View::clone(&self.parts.view.load());
        view.status.state = PluginState::Starting;
        view.status.last_failure = None;
        self.parts.view.store(Arc::new(view));
        self.take_over(&remembered, labels);
        self.ask_again();
        self.parts.replaced.notify_one();
        Ok(())
    }

    /// What a fresh instance has published replaces everything that the one before it had.
    fn take_over(&mut self, remembered: &Entries, mut labels: PublishedLabels) {
        let own = self
            .parts
            .advertiser
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
        let mut status = self.parts.view.load().status.clone();
        // A fresh instance after a failed commit takes the place of one that did nothing wrong.
        if matches!(
            status.state,
            PluginState::Restarting | PluginState::Degraded
        ) {
            status.restarts = status.restarts.saturating_add(1);
        }
        status.state = PluginState::Running;
        let decisions = self.parts.view.load().decisions.clone();
        self.parts.view.store(Arc::new(View {
            entries,
            decisions,
            status,
        }));
        if self.parts.own_labels != own {
            self.parts.own_labels.clone_from(&own);
            let changes = Changes {
                own_labels: Some(own.clone()),
                ..Changes::default()
            };
            // A failure is logged there, and made up for when the store is open again.
            let _ = self.parts.durable.commit(&changes, Instant::now());
            self.show_store();
        }
        self.parts.advertiser.announce(own);
    }

    pub(super) fn down(&mut self, failure: &Failure) {
        self.parts.metrics.calls.failed(failure);
        let next = self.supervisor.failed(Instant::now());
        let state = match next {
            Next::Retry(_) => PluginState::Restarting,
            Next::Degraded(_) => PluginState::Degraded,
        };
        tracing::error!(%failure, ?state, "the component failed");
        let mut view = View::clone(&self.parts.view.load());
        view.status.state = state;
        view.status.last_failure = Some(failure.to_string());
        self.parts.view.store(Arc::new(view));
        self.running = Running::Down(next);
    }
}
