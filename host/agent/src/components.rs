//! The components of an agent: the one that it starts with, and those that take over while it runs, over HTTP and
//! when their file has changed.
//!
//! One at a time. A swap lasts until the process ends, unless it is to be kept: then `shelf` has it for the next
//! start, and `first` says which one that takes.

mod first;
mod shelf;

use std::io;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use thiserror::Error;
use tokio::sync::{Mutex, OwnedMutexGuard};

use self::shelf::{Kept, Named};
use edge_cache_core::text;
use edge_cache_host::Tried;
use edge_cache_host::sandbox::{ComponentFile, Plugin, PluginConfig, PluginError};
use edge_cache_host::{EdgeCacheRegistry, SwapError};

pub use self::first::Source;
pub(super) use self::first::{First, Found};
pub(super) use self::shelf::Shelf;

/// What components are called that came over HTTP.
const UPLOADED: &str = "uploaded";

/// The components of one agent. Clones share the turn.
#[derive(Debug, Clone)]
pub struct Components {
    /// What all of them are loaded with.
    config: PluginConfig,
    source: Source,
    /// None where there is no data directory.
    shelf: Option<Shelf>,
    /// The one that the next start takes in the place of what the settings name.
    kept: Arc<ArcSwapOption<Kept>>,
    /// Whoever holds it loads a component. It guards the digest of what the file of the settings held when it was
    /// looked at last: one that came over HTTP since then is not undone by a file that is as it was.
    turn: Arc<Mutex<[u8; 32]>>,
}

/// The right to load a component, of which there is one at a time.
#[derive(Debug)]
pub struct Turn(OwnedMutexGuard<[u8; 32]>);

/// A component that came over HTTP.
#[derive(Debug)]
pub struct Upload {
    /// Its file.
    pub bytes: Vec<u8>,
    /// The digest that it must have. Without one, it must have the digest that the agent is pinned to, if it is.
    pub sha256: Option<[u8; 32]>,
    /// Whether the next start takes it too.
    pub keep: bool,
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
    /// It can't be kept.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// The system refused a thread to compile it on.
    #[error("cannot compile the component")]
    System(#[source] io::Error),
}

/// Why a component can't be kept. What was kept before still is.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeepError {
    /// The state of the agent is lost with the process.
    #[error("a component is kept in the data directory, and the agent has none: `--data-dir`")]
    Nowhere,
    /// The next start would fail, now or once the kept one is damaged.
    #[error("the component that the settings name cannot be used, so none is kept in its place")]
    Settings(#[source] PluginError),
    /// The next start would fail: nothing would be kept any more, and the pin refuses what the settings name.
    #[error(
        "the agent is pinned to another component than this one of the settings, so the next start would fail"
    )]
    Pinned,
    /// The system does not write it.
    #[error("the component cannot be written to the data directory")]
    Write(#[source] io::Error),
}

impl Components {
    /// Loads the component that an agent starts with. Takes up to seconds: not for an async thread.
    ///
    /// The data directory, if there is one, must be the agent's alone by now.
    ///
    /// # Errors
    ///
    /// The component that the settings name can't be read, or has to be loaded and can't be.
    pub fn start(
        config: PluginConfig,
        source: Source,
        data_dir: Option<&Path>,
    ) -> Result<(Self, Plugin), PluginError> {
        let shelf = data_dir.map(Shelf::of);
        let first = First::choose(&config, &source, shelf.as_ref())?;
        let components = Self {
            config,
            source,
            shelf,
            kept: Arc::default(),
            turn: Arc::new(Mutex::new(first.named.sha256)),
        };
        match first.found {
            Found::Nothing => {}
            Found::Used(kept) => {
                let sha256 = text::hex(kept.sha256());
                tracing::info!(sha256, "the component is the kept one");
                components.kept.store(Some(Arc::new(kept)));
            }
            Found::Outdated(kept) => components.set_aside(Some(&kept)),
            Found::Unusable { kept, reason } => {
                tracing::error!(
                    reason,
                    "the kept component is not used, but the one that the settings name; the next start tries again"
                );
                components.kept.store(kept.map(Arc::new));
            }
        }
        Ok((components, first.plugin))
    }

    /// The largest file of a component, in bytes.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        self.config.limits.component_bytes
    }

    /// The digest of the component that the next start takes in the place of what the settings name, or tries to
    /// where this start could not use it.
    #[must_use]
    pub fn kept(&self) -> Option<[u8; 32]> {
        self.kept.load().as_ref().map(|kept| *kept.sha256())
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

    /// Lets an uploaded component decide from now on. A caller that goes away does not keep it from taking over.
    ///
    /// # Errors
    ///
    /// Any [`ReplaceError`].
    pub async fn replace(
        &self,
        Turn(mut turn): Turn,
        registry: &EdgeCacheRegistry,
        upload: Upload,
    ) -> Result<(), ReplaceError> {
        let (components, registry) = (self.clone(), registry.clone());
        let swapped =
            tokio::spawn(async move { components.take_in(&registry, upload, &mut turn).await });
        swapped
            .await
            .map_err(|error| ReplaceError::System(io::Error::other(error)))?
    }

    async fn take_in(
        &self,
        registry: &EdgeCacheRegistry,
        upload: Upload,
        taken: &mut [u8; 32],
    ) -> Result<(), ReplaceError> {
        let shelf = upload
            .keep
            .then(|| self.shelf.clone().ok_or(KeepError::Nowhere))
            .transpose()?;
        let mut config = self.config.clone();
        config.sha256 = upload.sha256.or(config.sha256);
        let (plugin, kept) = blocking(move || {
            let component = ComponentFile::new(UPLOADED, upload.bytes);
            let plugin = component.load(config)?;
            Ok((plugin, shelf.map(|shelf| (shelf, component))))
        })
        .await?;
        let tried = registry.try_out(plugin).await?;
        match kept {
            Some((shelf, component)) => *taken = self.keep(shelf, component, tried).await?,
            None => tried.take_over().await?,
        }
        Ok(())
    }

    /// It is kept before it takes over, so that whatever fails has changed nothing. Answers in whose place.
    async fn keep(
        &self,
        shelf: Shelf,
        component: ComponentFile,
        tried: Tried,
    ) -> Result<[u8; 32], ReplaceError> {
        let sha256 = text::hex(component.sha256());
        let (config, source) = (self.config.clone(), self.source.clone());
        let put = blocking(move || {
            let settings = source.read(&config.limits).map_err(KeepError::Settings)?;
            let named = Named::new(&settings, &config);
            check_settings(&settings, config, &component)?;
            let put = shelf.put(&component, named).map_err(KeepError::Write)?;
            Ok((put, named.sha256))
        });
        let (put, in_place_of) = put.await?;
        if let Err(error) = tried.take_over().await {
            settle(|| put.undo()).await;
            return Err(error.into());
        }
        let kept = self.kept.clone();
        settle(move || kept.store(put.stand().map(Arc::new))).await;
        tracing::info!(sha256, "the next start takes the component too");
        Ok(in_place_of)
    }

    /// Lets the component decide that its file holds now, if that is another than when it was looked at last. What
    /// goes wrong is in the log.
    pub async fn reread(&self, registry: &EdgeCacheRegistry) {
        let Source::File(file) = &self.source else {
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
        let (path, config, before) = (file.to_path_buf(), self.config.clone(), *taken);
        let changed = blocking(move || {
            let component = ComponentFile::read(&path, &config.limits)?;
            if *component.sha256() == before {
                return Ok(None);
            }
            Ok(Some(component.load(config)?))
        });
        let Some(plugin) = changed.await? else {
            return Ok(false);
        };
        let digest = *plugin.sha256();
        registry.swap(plugin).await?;
        *taken = digest;
        let components = self.clone();
        settle(move || components.set_aside(components.kept.load_full().as_deref())).await;
        Ok(true)
    }

    /// The settings name another component than when this one was kept. Where none is known, there may still be
    /// one that this start could not make out, and that a later start must not take either.
    fn set_aside(&self, kept: Option<&Kept>) {
        self.kept.store(None);
        let Some(shelf) = &self.shelf else {
            return;
        };
        let sha256 = kept.map(|kept| text::hex(kept.sha256()));
        match (shelf.point(None), kept) {
            (Ok(()), Some(kept)) => tracing::warn!(
                sha256,
                file = %shelf.file(kept.sha256()).display(),
                "the settings name another component than when this one was kept: it is kept no more, and its file \
                 stays until another one is"
            ),
            (Ok(()), None) => {}
            (Err(error), _) => {
                tracing::error!(%error, sha256, "a component that is to be kept no more may still be");
            }
        }
    }
}

/// Whether the next start can do with what the settings name: at once where this is the one that is to decide, and
/// otherwise if the kept one is damaged.
fn check_settings(
    settings: &ComponentFile,
    config: PluginConfig,
    component: &ComponentFile,
) -> Result<(), KeepError> {
    if settings.sha256() == component.sha256() {
        // It has loaded, but by the digest that came with it.
        let is_let_in = config.sha256.is_none_or(|pin| pin == *settings.sha256());
        return is_let_in.then_some(()).ok_or(KeepError::Pinned);
    }
    // A pin that lets in the kept one alone is the operator's will.
    let config = PluginConfig {
        sha256: None,
        ..config
    };
    let loaded = settings.load(config);
    loaded.map(drop).map_err(KeepError::Settings)
}

/// Compiling takes up to seconds, and so may a disk, which is not for a thread of the runtime.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReplaceError> + Send + 'static,
) -> Result<T, ReplaceError> {
    let worked = tokio::task::spawn_blocking(work).await;
    worked.map_err(|error| ReplaceError::System(io::Error::other(error)))?
}

/// The same of work that says itself what goes wrong.
async fn settle(work: impl FnOnce() + Send + 'static) {
    let worked = tokio::task::spawn_blocking(work).await;
    if let Err(error) = worked {
        tracing::error!(%error, "a thread of the runtime has failed");
    }
}
