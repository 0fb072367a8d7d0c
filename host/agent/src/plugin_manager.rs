//! Replacement of the running plugin: by an upload over HTTP, and by a changed plugin file at a reload.
//!
//! Replacements are serialised. An uploaded plugin runs until the process ends; the next start loads the
//! plugin that the settings declare.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use thiserror::Error;
use tokio::sync::Mutex;
use tracing::Instrument;

use crate::settings::AgentSettings;
use edge_cache_core::text;
use edge_cache_host::sandbox::{CodeCache, Plugin, PluginConfig, PluginError, PluginFile};
use edge_cache_host::{EdgeCacheRegistry, SwapError};

/// The reference plugin inside the binary.
#[cfg(embedded_plugin)]
const EMBEDDED_PLUGIN: Option<&[u8]> = Some(include_bytes!(env!("EDGE_CACHE_EMBEDDED")));
/// `None`: `cargo plugin` had not been run when the binary was built.
#[cfg(not(embedded_plugin))]
const EMBEDDED_PLUGIN: Option<&[u8]> = None;
/// The name of plugins that came over HTTP.
const UPLOADED: &str = "uploaded";

/// Loads and replaces the plugin of one agent. Clones share the lock.
#[derive(Debug, Clone)]
pub struct PluginManager {
    config: PluginConfig,
    /// The declared file; `None` for the reference plugin inside the binary.
    file: Option<PathBuf>,
    /// Serialises replacements. Guards the digest of the plugin file at its last reading, so that a reload with an
    /// unchanged file does not undo an upload.
    lock: Arc<Mutex<[u8; 32]>>,
}

/// A plugin that came over HTTP.
#[derive(Debug)]
pub struct PluginUpload {
    /// The content of its file.
    pub bytes: Vec<u8>,
    /// The digest that it must have. Without one, the digest that the settings pin applies, if any.
    pub sha256: Option<[u8; 32]>,
}

/// A failed replacement. The previous plugin continues.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplaceError {
    /// Another replacement is in progress.
    #[error("another plugin is being loaded")]
    Busy,
    /// The plugin does not load.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// The registry does not accept the plugin.
    #[error(transparent)]
    Swap(#[from] SwapError),
    /// The system refused a thread to compile it on.
    #[error("cannot compile the plugin")]
    System(#[source] io::Error),
}

impl PluginManager {
    /// Loads the plugin that the settings declare.
    pub(crate) async fn of_settings(
        settings: &AgentSettings,
        cache: Option<CodeCache>,
    ) -> Result<(Self, Plugin)> {
        let config = settings.plugin_config.config(&settings.limits, cache);
        let file = settings.plugin.clone();
        tokio::task::spawn_blocking(move || Self::start(config, file)).await?
    }

    /// Loads a file, or the reference plugin inside the binary. Blocks for up to seconds: not for an async thread.
    ///
    /// # Errors
    ///
    /// The plugin cannot be read or does not load, or the binary has none inside.
    pub fn start(config: PluginConfig, file: Option<PathBuf>) -> Result<(Self, Plugin)> {
        let read = match &file {
            Some(path) => PluginFile::read(path, &config.limits),
            None => Ok(PluginFile::embedded(EMBEDDED_PLUGIN.context(
                "this binary is built without the reference plugin: set `--plugin FILE`, or run `cargo plugin` and \
                 build it again",
            )?)),
        };
        let plugin = read.and_then(|read| Plugin::load(&read, config.clone()));
        let plugin = plugin.context("cannot load the plugin")?;
        let manager = Self {
            config,
            file,
            lock: Arc::new(Mutex::new(*plugin.sha256())),
        };
        Ok((manager, plugin))
    }

    /// Returns the largest size of a plugin file, in bytes.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        self.config.limits.plugin_bytes
    }

    /// Replaces the plugin by an uploaded one. The replacement completes even if the caller is dropped.
    ///
    /// # Errors
    ///
    /// Any [`ReplaceError`].
    pub async fn replace(
        &self,
        registry: &EdgeCacheRegistry,
        upload: PluginUpload,
    ) -> Result<(), ReplaceError> {
        let guard = self.lock.clone().try_lock_owned();
        let guard = guard.map_err(|_| ReplaceError::Busy)?;
        let mut config = self.config.clone();
        config.sha256 = upload.sha256.or(config.sha256);
        let registry = registry.clone();
        let replacement = async move {
            let file = move || {
                Ok(Plugin::load(
                    &PluginFile::new(UPLOADED, upload.bytes),
                    config,
                )?)
            };
            registry.swap(blocking(file).await?).await?;
            drop(guard);
            Ok(())
        };
        // Goes on when the client goes away, in the span of its request.
        let replaced = tokio::spawn(replacement.in_current_span());
        replaced
            .await
            .map_err(|error| ReplaceError::System(io::Error::other(error)))?
    }

    /// Replaces the plugin if the content of its file has changed since the last reading. Errors go to the log.
    pub async fn reload(&self, registry: &EdgeCacheRegistry) {
        let Some(file) = &self.file else {
            return;
        };
        let mut read = self.lock.lock().await;
        match self.reload_file(file, registry, *read).await {
            Ok(digest) if digest == *read => {}
            Ok(digest) => {
                *read = digest;
                tracing::info!(file = %file.display(), "plugin replaced");
            }
            Err(error) => {
                let error = text::error_chain(&error);
                tracing::error!(error, file = %file.display(), "plugin not replaced");
            }
        }
    }

    /// Replaces the plugin if the digest of its file is another than `before`. Returns the digest.
    async fn reload_file(
        &self,
        file: &Path,
        registry: &EdgeCacheRegistry,
        before: [u8; 32],
    ) -> Result<[u8; 32], ReplaceError> {
        let (path, config) = (file.to_path_buf(), self.config.clone());
        let changed = blocking(move || {
            let file = PluginFile::read(&path, &config.limits)?;
            let is_changed = *file.sha256() != before;
            Ok(is_changed
                .then(|| Plugin::load(&file, config))
                .transpose()?)
        });
        let Some(plugin) = changed.await? else {
            return Ok(before);
        };
        let digest = *plugin.sha256();
        registry.swap(plugin).await?;
        Ok(digest)
    }
}

/// Runs disk access and compiling, which take up to seconds, outside of the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReplaceError> + Send + 'static,
) -> Result<T, ReplaceError> {
    let worked = tokio::task::spawn_blocking(work).await;
    worked.map_err(|error| ReplaceError::System(io::Error::other(error)))?
}
