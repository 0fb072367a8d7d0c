//! The plugin of an agent: where it comes from, whether it may run, and its replacement while the agent runs.
//!
//! A plugin comes through one of four doors: the binary, a file, a registry, an upload. The trust rules judge it at
//! all of them but the first. A child process of this program compiles the plugins, one after the other. A swap lasts
//! until the agent ends, or until the settings declare another plugin: the next start runs the declared one.

mod declaration;
mod disk;
mod origin;
mod reload;
mod sources;
mod trust;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use bytes::Bytes;
use thiserror::Error;
use tokio::sync::{Mutex, Semaphore};
use tracing::Instrument;

use self::sources::{Found, Sources, blocking};
use crate::settings::{AgentSettings, PluginSource};
use edge_cache_core::text;
use edge_cache_distribution::{Proof, Reference, Refusal};
use edge_cache_host::sandbox::{CompilerProcess, Plugin, PluginConfig, PluginError};
use edge_cache_host::{AUDIT_TARGET, EdgeCacheRegistry, Store, SwapError};

pub(crate) use self::declaration::{DECLARATION_KEYS, Declaration};
pub(crate) use self::disk::Disk;
pub use self::origin::{Loaded, Origin, Plugins};
pub use self::reload::Reload;
pub use self::sources::{Pull, SourceError};

/// The argument of this program that makes it the child process that compiles a plugin.
pub const COMPILE_COMMAND: &str = "compile-plugin";
/// This program, also after its file was replaced.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// The largest number of replacements that are being compiled or wait for it. Their bytes are in memory.
pub const UPLOADS_MAX: usize = 8;

/// Returns the compiler of an agent and of the plugin tools.
#[must_use]
pub fn compiler() -> CompilerProcess {
    CompilerProcess::new(THIS_PROGRAM, [COMPILE_COMMAND])
}

/// Loads and replaces the plugin of one agent. Clones share it.
#[derive(Debug, Clone)]
pub struct PluginManager {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// The declared grants and limits.
    config: PluginConfig,
    declaration: ArcSwap<Declaration>,
    sources: Sources,
    compiler: CompilerProcess,
    /// The places of replacements.
    uploads: Semaphore,
    /// Serialises reloads. A registry that is slow holds up no upload.
    reloads: Mutex<()>,
    /// Serialises swaps, and what is written of them.
    turn: Mutex<()>,
    plugins: ArcSwap<Plugins>,
}

/// A plugin that is to run until the agent ends.
#[derive(Debug)]
pub struct Replacement {
    /// The plugin.
    pub plugin: Offer,
    /// The digest that its file must have. Without one, the digest that the settings pin applies, if any.
    pub sha256: Option<[u8; 32]>,
    /// Settings of the plugin, in place of the declared ones.
    pub settings: Option<BTreeMap<String, String>>,
}

/// A plugin that an administrator offers.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "few are offered at a time")]
pub enum Offer {
    /// The content of a file, and its proof if there is one.
    Upload(Bytes, Option<Proof>),
    /// An artifact in a registry.
    Registry(Reference),
}

/// A failed replacement. The previous plugin continues.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplaceError {
    /// Too many replacements wait to be compiled.
    #[error("{UPLOADS_MAX} other plugins are being loaded")]
    Busy,
    /// The plugin cannot be had from its source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The trust rules do not let the plugin in.
    #[error(transparent)]
    Refused(#[from] Refusal),
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
        disk: Disk<'_>,
    ) -> Result<(Self, Plugin)> {
        let cache = match disk {
            Disk::Keep(store) => store.map(Store::code_cache),
            Disk::Look => None,
        };
        let config = settings.plugin_config.config(&settings.limits, cache);
        let sources = Sources::of_settings(settings, disk, &config.limits)?;
        Self::start(config, Declaration::of(settings), sources, compiler()).await
    }

    /// Loads a file, or the reference plugin inside the binary. Has no registries and no trust rules.
    ///
    /// # Errors
    ///
    /// The plugin cannot be read or does not load, or the binary has none inside.
    pub async fn of_file(
        config: PluginConfig,
        file: Option<PathBuf>,
        compiler: CompilerProcess,
    ) -> Result<(Self, Plugin)> {
        let declaration = Declaration::of_config(file.map(PluginSource::File), &config);
        let sources = Sources::local(&config.limits)?;
        Self::start(config, declaration, sources, compiler).await
    }

    async fn start(
        config: PluginConfig,
        declaration: Declaration,
        sources: Sources,
        compiler: CompilerProcess,
    ) -> Result<(Self, Plugin)> {
        let loaded = start(&sources, &compiler, &config, &declaration).await;
        let (plugin, loaded) = loaded.context("cannot load the plugin")?;
        let plugins = Plugins {
            declared: loaded.clone(),
            running: loaded,
            refusal: None,
        };
        sources.keep(&plugins).await;
        let inner = Inner {
            config,
            declaration: ArcSwap::from_pointee(declaration),
            sources,
            compiler,
            uploads: Semaphore::new(UPLOADS_MAX),
            reloads: Mutex::default(),
            turn: Mutex::default(),
            plugins: ArcSwap::from_pointee(plugins),
        };
        let inner = Arc::new(inner);
        Ok((Self { inner }, plugin))
    }

    /// Returns the largest size of a plugin file, in bytes.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        self.inner.config.limits.plugin_bytes
    }

    /// Returns the declared and the running plugin.
    #[must_use]
    pub fn plugins(&self) -> Arc<Plugins> {
        self.inner.plugins.load_full()
    }

    /// Replaces the plugin until the agent ends. Until it is compiled, a dropped future ends the replacement; after that
    /// it completes.
    ///
    /// # Errors
    ///
    /// Any [`ReplaceError`].
    pub async fn replace(
        &self,
        registry: &EdgeCacheRegistry,
        replacement: Replacement,
    ) -> Result<(), ReplaceError> {
        let inner = &self.inner;
        let _place = inner
            .uploads
            .try_acquire()
            .map_err(|_| ReplaceError::Busy)?;
        let mut config = inner.declaration.load().config(&inner.config);
        config.sha256 = replacement.sha256.or(config.sha256);
        if let Some(settings) = replacement.settings {
            config.settings = settings;
        }
        let found = match replacement.plugin {
            Offer::Upload(bytes, proof) => Found::uploaded(bytes, proof).await?,
            Offer::Registry(reference) => inner.sources.offered(&reference).await?,
        };
        let (plugin, running) = load(&inner.sources, &inner.compiler, found, config).await?;
        let origin = running.origin.clone();
        let set = |plugins: &mut Plugins| plugins.running = running;
        self.swap(registry, (plugin, origin), None, set).await
    }

    /// Reads the declared source again, and replaces the plugin where it has changed. A tag is asked for again where
    /// `pull` says so; then a plugin that was swapped in is replaced too.
    ///
    /// # Errors
    ///
    /// Any [`ReplaceError`] but [`ReplaceError::Busy`].
    pub async fn reload(
        &self,
        registry: &EdgeCacheRegistry,
        pull: Pull,
    ) -> Result<Reload, ReplaceError> {
        let _reload = self.inner.reloads.lock().await;
        self.read_again(registry, pull).await
    }

    /// Runs the plugin of a declaration, where the settings declare another than before. Else the declared source is read
    /// again. After an error the former declaration stands.
    ///
    /// # Errors
    ///
    /// Any [`ReplaceError`] but [`ReplaceError::Busy`].
    pub(crate) async fn declare(
        &self,
        registry: &EdgeCacheRegistry,
        declaration: Declaration,
    ) -> Result<Reload, ReplaceError> {
        let inner = &self.inner;
        let _reload = inner.reloads.lock().await;
        if declaration == **inner.declaration.load() {
            return self.read_again(registry, Pull::Remembered).await;
        }
        inner.sources.keep_registries(&declaration).await?;
        let found = inner
            .sources
            .declared(&declaration, Pull::Remembered)
            .await?;
        self.run_declared(registry, found, declaration).await?;
        Ok(Reload::Replaced)
    }

    async fn read_again(
        &self,
        registry: &EdgeCacheRegistry,
        pull: Pull,
    ) -> Result<Reload, ReplaceError> {
        let declaration = self.declaration();
        // Only settings declare another digest or tag.
        if pull == Pull::Remembered && declaration.is_registry() {
            return Ok(Reload::Unchanged);
        }
        let found = self.inner.sources.declared(&declaration, pull).await?;
        let now = self.plugins();
        let is_same = found.origin.sha256 == now.declared.origin.sha256;
        if is_same && (pull == Pull::Remembered || now.is_declared()) {
            self.prove_again(found).await?;
            return Ok(Reload::Unchanged);
        }
        self.run_declared(registry, found, declaration).await?;
        Ok(Reload::Replaced)
    }

    fn declaration(&self) -> Declaration {
        Declaration::clone(&self.inner.declaration.load())
    }

    /// Replaces the plugin by the one that the next start would run.
    ///
    /// # Errors
    ///
    /// Any [`ReplaceError`] but [`ReplaceError::Busy`].
    pub async fn revert(&self, registry: &EdgeCacheRegistry) -> Result<Reload, ReplaceError> {
        let _reload = self.inner.reloads.lock().await;
        let now = self.plugins();
        let digest = now.declared.origin.digest();
        let declaration = self.declaration();
        let sources = &self.inner.sources;
        let found = sources.declared_as(&declaration, digest).await?;
        if now.is_declared() && found.origin.sha256 == now.declared.origin.sha256 {
            self.prove_again(found).await?;
            return Ok(Reload::Unchanged);
        }
        self.run_declared(registry, found, declaration).await?;
        Ok(Reload::Replaced)
    }

    /// Reads the trust rules again and judges the running plugin by them. Rules that cannot be read change nothing.
    ///
    /// # Errors
    ///
    /// [`SourceError::Trust`].
    pub async fn reload_trust(&self) -> Result<Reload, SourceError> {
        let sources = &self.inner.sources;
        let reload = sources.reload_trust().await?;
        let _turn = self.inner.turn.lock().await;
        let mut plugins = Plugins::clone(&self.plugins());
        let Plugins {
            running,
            declared,
            refusal,
        } = &mut plugins;
        *refusal = match sources.check(&running.origin) {
            Ok(admission) => {
                running.origin.admission = admission;
                None
            }
            Err(refused) => Some(refused.to_string()),
        };
        declared.origin.admission = sources.check(&declared.origin).ok().flatten();
        self.inner.plugins.store(Arc::new(plugins));
        Ok(reload)
    }

    /// Takes the manifest and the signatures that the declared plugin has now, where the rules let it in with them.
    async fn prove_again(&self, found: Found) -> Result<(), ReplaceError> {
        let inner = &self.inner;
        let Found {
            mut origin,
            reference,
            ..
        } = inner.sources.admit(found).await?;
        let _turn = inner.turn.lock().await;
        // Rules may have been read again while signatures were.
        origin.admission = inner.sources.check(&origin)?;
        let mut plugins = Plugins::clone(&inner.plugins.load());
        if plugins.is_declared() {
            plugins.running.origin = origin.clone();
            plugins.refusal = None;
        }
        plugins.declared.origin = origin;
        inner.sources.keep(&plugins).await;
        inner.plugins.store(Arc::new(plugins));
        inner.sources.remember(reference).await;
        Ok(())
    }

    async fn run_declared(
        &self,
        registry: &EdgeCacheRegistry,
        found: Found,
        declaration: Declaration,
    ) -> Result<(), ReplaceError> {
        let inner = self.inner.clone();
        let reference = found.reference.clone();
        let config = declaration.config(&inner.config);
        let (plugin, loaded) = load(&inner.sources, &inner.compiler, found, config).await?;
        let origin = loaded.origin.clone();
        let set = move |plugins: &mut Plugins| {
            inner.declaration.store(Arc::new(declaration));
            plugins.declared = loaded.clone();
            plugins.running = loaded;
        };
        self.swap(registry, (plugin, origin), reference, set).await
    }

    /// Swaps the plugin and remembers it, also where the caller goes away meanwhile.
    async fn swap(
        &self,
        registry: &EdgeCacheRegistry,
        (plugin, origin): (Plugin, Origin),
        reference: Option<(Reference, u64)>,
        set: impl FnOnce(&mut Plugins) + Send + 'static,
    ) -> Result<(), ReplaceError> {
        let (registry, inner) = (registry.clone(), self.inner.clone());
        let swap = async move {
            let _turn = inner.turn.lock().await;
            // Rules may have been read again while it was compiled.
            inner.sources.check(&origin)?;
            registry.swap(plugin).await?;
            let mut plugins = Plugins::clone(&inner.plugins.load());
            let former = plugins.running.clone();
            set(&mut plugins);
            let running = &plugins.running;
            tracing::info!(
                target: AUDIT_TARGET,
                before = hex::encode(former.origin.sha256),
                after = hex::encode(running.origin.sha256),
                policy_before = former.policy,
                policy_after = running.policy,
                source = running.origin.source,
                "replace plugin"
            );
            plugins.refusal = None;
            inner.sources.keep(&plugins).await;
            inner.plugins.store(Arc::new(plugins));
            inner.sources.remember(reference).await;
            Ok(())
        };
        // In the span of its request.
        let swapped = tokio::spawn(swap.in_current_span()).await;
        swapped.map_err(|error| ReplaceError::System(io::Error::other(error)))?
    }
}

/// Loads the declared plugin. Where it cannot be used, the one that ran before is.
async fn start(
    sources: &Sources,
    compiler: &CompilerProcess,
    config: &PluginConfig,
    declaration: &Declaration,
) -> Result<(Plugin, Loaded), ReplaceError> {
    let found = sources.declared(declaration, Pull::Remembered).await?;
    let reference = found.reference.clone();
    let before = sources.remembered(declaration).await;
    let now = found.origin.digest().filter(|_| declaration.is_registry());
    let error = match load(sources, compiler, found, config.clone()).await {
        Ok(loaded) => {
            sources.remember(reference).await;
            return Ok(loaded);
        }
        Err(error) => error,
    };
    let Some(before) = before.filter(|before| now != Some(*before)) else {
        return Err(error);
    };
    let reason = text::error_chain(&error);
    tracing::error!(
        error = reason,
        "plugin not replaced: the one that ran before goes on"
    );
    let found = sources.declared_as(declaration, Some(before)).await?;
    load(sources, compiler, found, config.clone()).await
}

/// Checks a plugin by the trust rules, then compiles it.
async fn load(
    sources: &Sources,
    compiler: &CompilerProcess,
    found: Found,
    config: PluginConfig,
) -> Result<(Plugin, Loaded), ReplaceError> {
    // No rule lets another kind of file in, and its own error says what it is.
    found.file.check(&config.limits)?;
    let Found { file, origin, .. } = sources.admit(found).await?;
    let plugin = if origin.is_embedded {
        // Trusted, so that no child is needed.
        blocking(move || Ok(Plugin::load(file, config)?)).await?
    } else {
        Plugin::load_in_child(file, config, compiler).await?
    };
    let policy = plugin.policy();
    Ok((plugin, Loaded { origin, policy }))
}
