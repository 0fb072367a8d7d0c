//! The components that an agent loads after its first: over HTTP, and when their file has changed.
//!
//! One at a time. A swap lasts until the process ends: the next start takes what the settings name.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;
use tokio::sync::Mutex;

use crate::sandbox::{Plugin, PluginConfig, PluginError};
use crate::{EdgeCacheRegistry, SwapError, text};

/// What components are called that came over HTTP.
const UPLOADED: &str = "uploaded";

/// What components are loaded with, the same for all of an agent. Clones share the turn.
#[derive(Debug, Clone)]
pub struct Components {
    config: PluginConfig,
    /// The file of the component, where it is not the one built in.
    file: Option<PathBuf>,
    turn: Arc<Mutex<()>>,
}

/// Why another component did not take over. The one before goes on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplaceError {
    /// Another one is being loaded.
    #[error("another component is being loaded")]
    Busy,
    /// It does not load.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// It does not take over.
    #[error(transparent)]
    Swap(#[from] SwapError),
    /// The system refused a thread to compile it on.
    #[error("cannot compile the component")]
    System(#[source] io::Error),
}

impl Components {
    /// Those that are loaded with this configuration.
    #[must_use]
    pub fn new(config: PluginConfig, file: Option<PathBuf>) -> Self {
        Self {
            config,
            file,
            turn: Arc::default(),
        }
    }

    /// The largest file of a component, in bytes.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        self.config.limits.component_bytes
    }

    /// Lets an uploaded component decide from now on, if it has this digest. Without one, it must have the
    /// digest that the agent is pinned to, if it is.
    ///
    /// # Errors
    ///
    /// Any [`ReplaceError`].
    pub async fn replace(
        &self,
        registry: &EdgeCacheRegistry,
        bytes: Vec<u8>,
        sha256: Option<[u8; 32]>,
    ) -> Result<(), ReplaceError> {
        let mut config = self.config.clone();
        config.sha256 = sha256.or(config.sha256);
        self.swap(registry, move || {
            Plugin::from_bytes(&bytes, config).map(|plugin| plugin.named(UPLOADED))
        })
        .await
    }

    /// Lets the component decide that its file holds now, if it is another. What goes wrong is in the log.
    pub async fn reread(&self, registry: &EdgeCacheRegistry) {
        let Some(file) = self.file.clone() else {
            return;
        };
        let present = registry.plugin();
        let config = self.config.clone();
        let path = file.clone();
        let swapped = self
            .swap_if(
                registry,
                move || Plugin::from_file(&path, config),
                |plugin| plugin.sha256() != present.sha256(),
            )
            .await;
        match swapped {
            Ok(true) => tracing::info!(file = %file.display(), "the component was replaced"),
            Ok(false) => {}
            Err(error) => {
                let error = text::error_chain(&error);
                tracing::error!(error, file = %file.display(), "the component stays as it is");
            }
        }
    }

    async fn swap(
        &self,
        registry: &EdgeCacheRegistry,
        load: impl FnOnce() -> Result<Plugin, PluginError> + Send + 'static,
    ) -> Result<(), ReplaceError> {
        self.swap_if(registry, load, |_| true).await.map(drop)
    }

    async fn swap_if(
        &self,
        registry: &EdgeCacheRegistry,
        load: impl FnOnce() -> Result<Plugin, PluginError> + Send + 'static,
        is_wanted: impl FnOnce(&Plugin) -> bool,
    ) -> Result<bool, ReplaceError> {
        let _turn = self.turn.try_lock().map_err(|_| ReplaceError::Busy)?;
        // Compiling takes up to seconds, which is not for a thread of the runtime.
        let plugin = tokio::task::spawn_blocking(load)
            .await
            .map_err(|error| ReplaceError::System(io::Error::other(error)))??;
        if !is_wanted(&plugin) {
            return Ok(false);
        }
        registry.swap(plugin).await?;
        Ok(true)
    }
}
