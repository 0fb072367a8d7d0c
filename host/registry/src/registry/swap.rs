//! Another component in the place of the one that runs.
//!
//! It is tried on a thread of its own first, with the entries of the moment, so that one that hangs, fails or
//! refuses then costs changes nothing. Then the writer does the same between two changes, and that one stays. What
//! the one before had published is replaced in one announcement.

use std::thread;

use thiserror::Error;
use tokio::sync::oneshot;

use super::EdgeCacheRegistry;
use super::records::Records;
use edge_cache_core::Entry;
use edge_cache_sandbox::{Failure, Instance, InstanceConfig, LabelPolicy, Plugin, PublishedLabels};

/// Why a component did not take over. The one before goes on, and no change was lost.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SwapError {
    /// It does not want to serve the entries that there are.
    #[error("the component refuses to take over: {0}")]
    Refused(String),
    /// It failed before it had taken over.
    #[error("the component fails to take over: {0}")]
    Failed(String),
    /// The system gave no thread to try it on.
    #[error("cannot start a thread to try the component on")]
    Thread(#[source] std::io::Error),
    /// The registry does not take changes any more.
    #[error("the registry is shutting down")]
    ShuttingDown,
}

impl From<Failure> for SwapError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(reason) => Self::Refused(reason),
            failure => Self::Failed(failure.to_string()),
        }
    }
}

impl EdgeCacheRegistry {
    /// Lets another component decide from now on. Every change is made by the one or by the other, and reads
    /// notice nothing. Until the component is known to take over, the one before makes all changes.
    ///
    /// # Errors
    ///
    /// Any [`SwapError`].
    pub async fn swap(&self, plugin: Plugin) -> Result<(), SwapError> {
        self.try_out(plugin.clone()).await?;
        self.shared.queue.swap(plugin).await
    }

    /// Loads the plugin with the current entries on a thread of its own.
    async fn try_out(&self, plugin: Plugin) -> Result<(), SwapError> {
        let (ending, ended) = oneshot::channel();
        let config = configured(&self.shared.config, &plugin);
        let records = self.shared.view.load().records.clone();
        thread::Builder::new()
            .name("edge-trial".into())
            .spawn(move || {
                let instance = Instance::start(&plugin, config);
                let result = instance
                    .and_then(|instance| load(instance, &records))
                    .map(drop);
                // A caller that has gone away wants no answer.
                let _ = ending.send(result);
            })
            .map_err(SwapError::Thread)?;
        let gone = |_| SwapError::Failed("the thread that tried it has ended".to_string());
        ended.await.map_err(gone)??;
        Ok(())
    }
}

/// What surrounds an instance of this component.
pub(super) fn configured(config: &InstanceConfig, plugin: &Plugin) -> InstanceConfig {
    InstanceConfig {
        policy: LabelPolicy {
            grants: plugin.config().labels.clone(),
            ..config.policy.clone()
        },
        ..config.clone()
    }
}

/// Loads a fresh instance with what is remembered, and compares it.
pub(super) fn load(
    mut instance: Instance,
    remembered: &Records,
) -> Result<(Instance, PublishedLabels), Failure> {
    let entries: Vec<Entry> = remembered
        .iter()
        .map(|record| record.entry.clone())
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
