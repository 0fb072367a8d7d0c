//! The components that an agent loads after its first: over HTTP, and when their file has changed.
//!
//! One at a time. A swap lasts until the process ends: the next start takes what the settings name.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use tokio::sync::{Mutex, OwnedMutexGuard};

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
    /// Whoever holds it loads a component. It guards the digest of what the file held when it was taken last:
    /// one that came over HTTP since then is not undone by a file that is as it was.
    turn: Arc<Mutex<[u8; 32]>>,
}

/// The right to load a component, of which there is one at a time.
#[derive(Debug)]
pub struct Turn(OwnedMutexGuard<[u8; 32]>);

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
    /// Those that are loaded with this configuration, after the first.
    #[must_use]
    pub fn new(config: PluginConfig, file: Option<PathBuf>, first: &Plugin) -> Self {
        Self {
            config,
            file,
            turn: Arc::new(Mutex::new(*first.sha256())),
        }
    }

    /// The largest file of a component, in bytes.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        self.config.limits.component_bytes
    }

    /// Takes the turn, if nobody has it. It comes before an upload is read, so that only one is held at a time.
    ///
    /// # Errors
    ///
    /// [`ReplaceError::Busy`].
    pub fn turn(&self) -> Result<Turn, ReplaceError> {
        let turn = self.turn.clone().try_lock_owned();
        turn.map(Turn).map_err(|_| ReplaceError::Busy)
    }

    /// Lets an uploaded component decide from now on, if it has this digest. Without one, it must have the
    /// digest that the agent is pinned to, if it is. A caller that goes away does not keep it from taking over.
    ///
    /// # Errors
    ///
    /// Any [`ReplaceError`].
    pub async fn replace(
        &self,
        Turn(turn): Turn,
        registry: &EdgeCacheRegistry,
        bytes: Vec<u8>,
        sha256: Option<[u8; 32]>,
    ) -> Result<(), ReplaceError> {
        let mut config = self.config.clone();
        config.sha256 = sha256.or(config.sha256);
        let registry = registry.clone();
        let swap = async move {
            let plugin = load(move || Plugin::from_bytes(&bytes, config)).await?;
            registry.swap(plugin.named(UPLOADED)).await?;
            drop(turn);
            Ok(())
        };
        let swapped = tokio::spawn(swap).await;
        swapped.map_err(|error| ReplaceError::System(io::Error::other(error)))?
    }

    /// Lets the component decide that its file holds now, if that is another than when it was taken last. What
    /// goes wrong is in the log.
    pub async fn reread(&self, registry: &EdgeCacheRegistry) {
        let Some(file) = &self.file else {
            return;
        };
        let mut taken = self.turn.lock().await;
        match self.take(file, registry, &mut taken).await {
            Ok(true) => tracing::info!(file = %file.display(), "the component was replaced"),
            Ok(false) => {}
            Err(error) => {
                let error = text::error_chain(&error);
                tracing::error!(error, file = %file.display(), "the component stays as it is");
            }
        }
    }

    async fn take(
        &self,
        file: &Path,
        registry: &EdgeCacheRegistry,
        taken: &mut [u8; 32],
    ) -> Result<bool, ReplaceError> {
        let (path, config) = (file.to_path_buf(), self.config.clone());
        let plugin = load(move || Plugin::from_file(&path, config)).await?;
        let digest = *plugin.sha256();
        if digest == *taken {
            return Ok(false);
        }
        registry.swap(plugin).await?;
        *taken = digest;
        Ok(true)
    }
}

/// Compiling takes up to seconds, which is not for a thread of the runtime.
async fn load(
    load: impl FnOnce() -> Result<Plugin, PluginError> + Send + 'static,
) -> Result<Plugin, ReplaceError> {
    let loaded = tokio::task::spawn_blocking(load).await;
    Ok(loaded.map_err(|error| ReplaceError::System(io::Error::other(error)))??)
}
