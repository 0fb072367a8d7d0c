//! Replacement of the running plugin: by an upload over HTTP, and by a changed plugin file at a reload.
//!
//! A child process of this program compiles the plugins, one after the other. Replacements are serialised. An uploaded plugin runs until the process ends; the next start loads the
//! plugin that the settings declare.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use thiserror::Error;
use tokio::sync::{Mutex, Semaphore};
use tracing::Instrument;

use crate::settings::AgentSettings;
use edge_cache_core::text;
use edge_cache_host::sandbox::{
    CodeCache, CompilerProcess, Plugin, PluginConfig, PluginError, PluginFile,
};
use edge_cache_host::{EdgeCacheRegistry, SwapError};

/// The reference plugin inside the binary.
#[cfg(embedded_plugin)]
const EMBEDDED_PLUGIN: Option<&[u8]> = Some(include_bytes!(env!("EDGE_CACHE_EMBEDDED")));
/// `None`: `cargo plugin` had not been run when the binary was built.
#[cfg(not(embedded_plugin))]
const EMBEDDED_PLUGIN: Option<&[u8]> = None;
/// The name of plugins that came over HTTP.
const UPLOADED: &str = "uploaded";
/// The argument of this program that makes it the child process that compiles a plugin.
pub const COMPILE_COMMAND: &str = "compile-plugin";
/// This program, also after its file was replaced.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// The largest number of uploads that are being compiled or wait for it. Their bytes are in memory.
pub const UPLOADS_MAX: usize = 8;

/// Returns the compiler of an agent and of the plugin tools.
#[must_use]
pub fn compiler() -> CompilerProcess {
    CompilerProcess::new(THIS_PROGRAM, [COMPILE_COMMAND])
}

/// Loads and replaces the plugin of one agent. Clones share the lock.
#[derive(Debug, Clone)]
pub struct PluginManager {
    config: PluginConfig,
    /// The declared file; `None` for the reference plugin inside the binary.
    file: Option<PathBuf>,
    compiler: CompilerProcess,
    /// The places of uploads.
    uploads: Arc<Semaphore>,
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
    /// Too many uploads wait to be compiled.
    #[error("{UPLOADS_MAX} other plugins are being loaded")]
    Busy,
    /// The plugin does not load.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// The registry does not accept the plugin.
    #[error(transparent)]
    Swap(#[from] SwapError),
    /// The system refused a thread or a task.
    #[error("cannot load the plugin")]
    System(#[source] io::Error),
}

impl PluginManager {
    /// Loads the plugin that the settings declare.
    pub(crate) async fn of_settings(
        settings: &AgentSettings,
        cache: Option<CodeCache>,
    ) -> Result<(Self, Plugin)> {
        let config = settings.plugin_config.config(&settings.limits, cache);
        Self::start(config, settings.plugin.clone(), compiler()).await
    }

    /// Loads a file, or the reference plugin inside the binary.
    ///
    /// # Errors
    ///
    /// The plugin cannot be read or does not load, or the binary has none inside.
    pub async fn start(
        config: PluginConfig,
        file: Option<PathBuf>,
        compiler: CompilerProcess,
    ) -> Result<(Self, Plugin)> {
        let plugin = match &file {
            Some(path) => load_file(path, &config, &compiler).await,
            None => {
                // Trusted, so that no child is needed.
                let embedded = PluginFile::embedded(EMBEDDED_PLUGIN.context(
                    "this binary is built without the reference plugin: set `--plugin FILE`, or run `cargo plugin` and \
                     build it again",
                )?);
                let config = config.clone();
                blocking(move || Ok(Plugin::load(embedded, config)?)).await
            }
        };
        let plugin = plugin.context("cannot load the plugin")?;
        let manager = Self {
            config,
            file,
            compiler,
            uploads: Arc::new(Semaphore::new(UPLOADS_MAX)),
            lock: Arc::new(Mutex::new(*plugin.sha256())),
        };
        Ok((manager, plugin))
    }

    /// Returns the largest size of a plugin file, in bytes.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        self.config.limits.plugin_bytes
    }

    /// Replaces the plugin by an uploaded one. Until it is compiled, a dropped future ends the replacement; after that it
    /// completes.
    ///
    /// # Errors
    ///
    /// Any [`ReplaceError`].
    pub async fn replace(
        &self,
        registry: &EdgeCacheRegistry,
        upload: PluginUpload,
    ) -> Result<(), ReplaceError> {
        let _place = self.uploads.try_acquire().map_err(|_| ReplaceError::Busy)?;
        let mut config = self.config.clone();
        config.sha256 = upload.sha256.or(config.sha256);
        let file = blocking(move || Ok(PluginFile::new(UPLOADED, upload.bytes))).await?;
        let plugin = Plugin::load_in_child(file, config, &self.compiler).await?;
        let (registry, lock) = (registry.clone(), self.lock.clone());
        let swap = async move {
            let _turn = lock.lock().await;
            registry.swap(plugin).await
        };
        // In the span of its request.
        let swapped = tokio::spawn(swap.in_current_span()).await;
        let swapped = swapped.map_err(|error| ReplaceError::System(io::Error::other(error)))?;
        Ok(swapped?)
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
        let file = read_file(file, &self.config).await?;
        if *file.sha256() == before {
            return Ok(before);
        }
        let plugin = Plugin::load_in_child(file, self.config.clone(), &self.compiler).await?;
        let digest = *plugin.sha256();
        registry.swap(plugin).await?;
        Ok(digest)
    }
}

async fn load_file(
    path: &Path,
    config: &PluginConfig,
    compiler: &CompilerProcess,
) -> Result<Plugin, ReplaceError> {
    let file = read_file(path, config).await?;
    Ok(Plugin::load_in_child(file, config.clone(), compiler).await?)
}

async fn read_file(path: &Path, config: &PluginConfig) -> Result<PluginFile, ReplaceError> {
    let (path, limits) = (path.to_path_buf(), config.limits.clone());
    blocking(move || Ok(PluginFile::read(&path, &limits)?)).await
}

/// Runs disk access and compiling, which take up to seconds, outside of the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReplaceError> + Send + 'static,
) -> Result<T, ReplaceError> {
    let worked = tokio::task::spawn_blocking(work).await;
    worked.map_err(|error| ReplaceError::System(io::Error::other(error)))?
}
