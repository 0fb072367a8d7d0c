//! The doors through which plugins come: the binary, files, registries and uploads. The trust rules judge what comes through them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use thiserror::Error;

use super::declaration::Declaration;
use super::disk::Disk;
use super::origin::{Origin, Plugins, UPLOADED};
use super::reload::Reload;
use super::trust::TrustRules;
use crate::exit::usage;
use crate::plugin_files;
use crate::settings::{AgentSettings, PluginSource};
use edge_cache_core::{Limits, text};
use edge_cache_distribution::{
    self as distribution, Admission, BlobStore, Digest, PluginRepository, Proof, Reference,
    Refusal, RegistryClient, RegistryConfig, Resolve, StoreError,
};
use edge_cache_host::sandbox::{PluginError, PluginFile};

/// The folder of the data directory with the plugins of registries.
const FOLDER: &str = "plugins";

/// An error of a source of plugins.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The binary has no plugin inside.
    #[error(
        "this binary is built without the reference plugin: set `--plugin FILE`, or run `cargo plugin` and build it \
         again"
    )]
    NotEmbedded,
    /// The registry, or the store of plugins, did not give the plugin.
    #[error(transparent)]
    Repository(#[from] distribution::SourceError),
    /// The store of plugins cannot be used.
    #[error(transparent)]
    Store(#[from] distribution::StoreError),
    /// The plugin file cannot be read.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// The declared source has no tag whose digest could change.
    #[error(
        "the agent's settings declare {declared}, whose digest cannot change: only a tag can be pulled again"
    )]
    NoTag {
        /// The declared source.
        declared: String,
    },
    /// The proof beside a plugin file is invalid.
    #[error(transparent)]
    Proof(anyhow::Error),
    /// The trust rules cannot be read, and the former ones go on.
    #[error(transparent)]
    Trust(anyhow::Error),
    /// The system refused a thread or a task.
    #[error("cannot load the plugin")]
    System(#[source] io::Error),
}

/// The way in which a reload reads a declared reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// As the start did: the digest that its tag had at the last pull.
    Remembered,
    /// As its tag is now: the registry is asked for the digest.
    Again,
    /// As this digest.
    Digest(Digest),
}

/// A plugin that was found, and is not checked yet.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) file: PluginFile,
    pub(super) origin: Origin,
    /// The reference with the digest that its tag has, and the time of the pull in seconds since 1970: to be remembered
    /// once the plugin runs.
    pub(super) reference: Option<(Reference, u64)>,
    /// True if its signatures may be those of the store, and its registry may have more.
    may_be_stale: bool,
}

/// The sources of one agent.
#[derive(Debug)]
pub(super) struct Sources {
    repository: ArcSwap<PluginRepository>,
    /// The folder of the store of plugins, and its size; none where nothing is kept.
    folder: Option<(PathBuf, u64)>,
    trust: Option<Arc<TrustRules>>,
    limits: Limits,
}

impl Found {
    /// Takes an uploaded plugin.
    pub(super) async fn uploaded(bytes: Bytes, proof: Option<Proof>) -> Result<Self, SourceError> {
        let file = blocking(move || Ok(PluginFile::new(UPLOADED, bytes))).await?;
        Ok(Self {
            origin: Origin::uploaded(*file.sha256(), proof),
            file,
            reference: None,
            may_be_stale: false,
        })
    }

    fn embedded() -> Result<Self, SourceError> {
        let file =
            PluginFile::embedded(edge_cache_reference::PLUGIN.ok_or(SourceError::NotEmbedded)?);
        Ok(Self {
            origin: Origin::embedded(*file.sha256()),
            file,
            reference: None,
            may_be_stale: false,
        })
    }

    /// Reads a file, and the proof beside it.
    fn read(path: &Path, limits: &Limits) -> Result<Self, SourceError> {
        let file = PluginFile::read(path, limits)?;
        let source = path.display().to_string();
        Ok(Self {
            origin: Origin::of_file(
                source,
                *file.sha256(),
                plugin_files::read_proof(path).map_err(SourceError::Proof)?,
            ),
            file,
            reference: None,
            may_be_stale: false,
        })
    }

    /// Leaves the reference out where the declared one has a digest, which says nothing of its tag.
    fn declared_by(self, declared: &Reference) -> Self {
        Self {
            reference: self.reference.filter(|_| declared.digest().is_none()),
            ..self
        }
    }

    fn admitted(mut self, admission: Option<Admission>) -> Self {
        self.origin.admission = admission;
        self
    }
}

impl Sources {
    /// Creates the sources that the settings describe. Plugins of a declared registry are kept in the data directory.
    pub(super) fn of_settings(
        settings: &AgentSettings,
        disk: Disk<'_>,
        limits: &Limits,
    ) -> anyhow::Result<Self> {
        let source = &settings.plugin_source;
        let client = source.registry.client()?;
        let cache_bytes = u64::try_from(source.plugin_cache_bytes).unwrap_or(u64::MAX);
        let folder = settings.data_dir.as_deref();
        let folder = folder.map(|folder| (folder.join(FOLDER), cache_bytes));
        let is_registry = matches!(source.plugin, Some(PluginSource::Registry(_)));
        let store = match (disk, &folder) {
            (Disk::Keep(_), Some(folder)) if is_registry => open_store(folder)?,
            (Disk::Look, Some(folder)) if is_registry => look_into_store(folder)?,
            _ => None,
        };
        let trust = source.plugin_trust.clone().map(TrustRules::read);
        let bytes_max = u64::try_from(limits.plugin_bytes).unwrap_or(u64::MAX);
        let repository = PluginRepository::new(client, store, source.plugin_pull, bytes_max);
        Ok(Self {
            repository: ArcSwap::from_pointee(repository),
            folder,
            trust: trust.transpose().map_err(usage)?.map(Arc::new),
            limits: limits.clone(),
        })
    }

    /// Creates sources without registries that need credentials, without a store and without trust rules.
    pub(super) fn local(limits: &Limits) -> anyhow::Result<Self> {
        let client = RegistryClient::new(RegistryConfig::default())?;
        let policy = distribution::PullPolicy::default();
        let bytes_max = u64::try_from(limits.plugin_bytes).unwrap_or(u64::MAX);
        let repository = PluginRepository::new(client, None, policy, bytes_max);
        Ok(Self {
            repository: ArcSwap::from_pointee(repository),
            folder: None,
            trust: None,
            limits: limits.clone(),
        })
    }

    /// Opens the store of plugins for a declared registry, if there was none at the start.
    pub(super) async fn keep_registries(
        &self,
        declaration: &Declaration,
    ) -> Result<(), SourceError> {
        let repository = self.repository();
        let folder = self.folder.clone();
        let folder = folder.filter(|_| declaration.is_registry() && !repository.has_store());
        let Some(folder) = folder else {
            return Ok(());
        };
        if let Some(store) = blocking(move || open_store(&folder)).await? {
            let repository = PluginRepository::clone(&repository).stored_in(store);
            self.repository.store(Arc::new(repository));
        }
        Ok(())
    }

    fn repository(&self) -> Arc<PluginRepository> {
        self.repository.load_full()
    }

    /// Returns the declared plugin.
    pub(super) async fn declared(
        &self,
        declaration: &Declaration,
        pull: Pull,
    ) -> Result<Found, SourceError> {
        let declared = match (&declaration.source, pull) {
            (Some(PluginSource::Registry(reference)), _) => reference,
            (declared, Pull::Again | Pull::Digest(_)) => {
                let declared = match declared {
                    Some(source) => source.to_string(),
                    None => "the plugin inside the binary".to_string(),
                };
                return Err(SourceError::NoTag { declared });
            }
            (None, Pull::Remembered) => return Found::embedded(),
            (Some(PluginSource::File(path)), Pull::Remembered) => {
                let (path, limits) = (path.clone(), self.limits.clone());
                return blocking(move || Found::read(&path, &limits)).await;
            }
        };
        let no_tag = || SourceError::NoTag {
            declared: declared.to_string(),
        };
        match pull {
            Pull::Remembered => self.pull(declared, Resolve::Remembered).await,
            Pull::Again if declared.digest().is_some() => Err(no_tag()),
            Pull::Again => self.pull(declared, Resolve::Again).await,
            Pull::Digest(digest) => match declared.digest() {
                Some(pinned) if pinned != digest => Err(no_tag()),
                _ => {
                    let pinned = declared.clone().with_digest(digest);
                    self.pull(&pinned, Resolve::Stored).await
                }
            },
        }
        .map(|found| found.declared_by(declared))
    }

    /// Returns the declared plugin, with a tag that means this digest. The registry is asked only for what is not stored.
    pub(super) async fn declared_as(
        &self,
        declaration: &Declaration,
        digest: Option<Digest>,
    ) -> Result<Found, SourceError> {
        match (&declaration.source, digest) {
            (Some(PluginSource::Registry(declared)), Some(digest)) => {
                let reference = declared.clone().with_digest(digest);
                let found = self.pull(&reference, Resolve::Stored).await?;
                Ok(found.declared_by(declared))
            }
            _ => self.declared(declaration, Pull::Remembered).await,
        }
    }

    /// Returns the plugin of an administrator's reference. The content of a digest cannot change, so that it is taken from
    /// the store if it is there: going back needs no registry.
    pub(super) async fn offered(&self, reference: &Reference) -> Result<Found, SourceError> {
        let resolve = match reference.digest() {
            Some(_) => Resolve::Stored,
            None => Resolve::Again,
        };
        self.pull(reference, resolve).await
    }

    /// Returns the digest that the declared tag had at the last pull.
    pub(super) async fn remembered(&self, declaration: &Declaration) -> Option<Digest> {
        match &declaration.source {
            Some(PluginSource::Registry(reference)) if reference.digest().is_none() => {
                let remembered = self.repository().remembered(reference).await;
                remembered.map(|(digest, _)| digest)
            }
            _ => None,
        }
    }

    /// Pulls a plugin from its registry, or takes it from the store.
    pub(super) async fn pull(
        &self,
        reference: &Reference,
        resolve: Resolve,
    ) -> Result<Found, SourceError> {
        let fetched = self.repository().fetch(reference, resolve).await?;
        for warning in &fetched.warnings {
            let warning = text::error_chain(warning);
            tracing::warn!(source = %fetched.reference, "{warning}");
        }
        let artifact = fetched.artifact;
        let repository = fetched.reference.repository();
        let name = repository
            .rsplit('/')
            .next()
            .unwrap_or(repository)
            .to_string();
        let component = artifact.component;
        let file = blocking(move || Ok(PluginFile::new(&name, component))).await?;
        Ok(Found {
            origin: Origin {
                repository: Some(fetched.reference.name()),
                pulled_at: Some(fetched.pulled_at),
                ..Origin::of_file(
                    fetched.reference.to_string(),
                    *file.sha256(),
                    Some(artifact.proof),
                )
            },
            file,
            reference: Some((fetched.reference, fetched.pulled_at)),
            may_be_stale: resolve != Resolve::Again,
        })
    }

    /// Returns the rule that lets a plugin in; none where there are no rules, and for the plugin inside the binary.
    pub(super) fn check(&self, origin: &Origin) -> Result<Option<Admission>, Refusal> {
        match &self.trust {
            Some(rules) if !origin.is_embedded => rules.check(origin).map(Some),
            _ => Ok(None),
        }
    }

    /// Lets a plugin in by the rules. Where they refuse one with the signatures of the store, its registry is asked for
    /// those that it has now.
    pub(super) async fn admit(&self, found: Found) -> Result<Found, Refusal> {
        let refusal = match self.check(&found.origin) {
            Ok(admission) => return Ok(found.admitted(admission)),
            Err(refusal) => refusal,
        };
        let Some((reference, _)) = found.reference.filter(|_| found.may_be_stale) else {
            return Err(refusal);
        };
        let Ok(found) = self.pull(&reference, Resolve::Again).await else {
            return Err(refusal);
        };
        let admission = self.check(&found.origin)?;
        Ok(found.admitted(admission))
    }

    /// Reads the trust rules again.
    pub(super) async fn reload_trust(&self) -> Result<Reload, SourceError> {
        let Some(rules) = self.trust.clone() else {
            return Ok(Reload::Unchanged);
        };
        let reloaded = tokio::task::spawn_blocking(move || rules.reload()).await;
        let reloaded = reloaded.map_err(|error| SourceError::Trust(error.into()))?;
        reloaded.map_err(SourceError::Trust)
    }

    /// Remembers the digest of a declared tag, for the next start. The plugin runs already, so that an error is logged only.
    pub(super) async fn remember(&self, reference: Option<(Reference, u64)>) {
        let Some((reference, pulled_at)) = reference else {
            return;
        };
        if let Err(error) = self.repository().remember(&reference, pulled_at).await {
            let error = text::error_chain(&error);
            tracing::error!(error, source = %reference, "the next start runs the former plugin");
        }
    }

    /// Spares the declared and the running plugin from eviction.
    pub(super) async fn keep(&self, plugins: &Plugins) {
        let loaded = [&plugins.declared, &plugins.running];
        let digests = loaded.map(|loaded| loaded.origin.digest());
        let digests: Vec<_> = digests.into_iter().flatten().collect();
        self.repository().keep(&digests).await;
    }
}

/// Opens the store of plugins. On a disk that fails, the agent goes on without one.
fn open_store((folder, cache_bytes): &(PathBuf, u64)) -> Result<Option<BlobStore>, SourceError> {
    let (store, warning) = match BlobStore::open(folder, *cache_bytes) {
        Ok((store, warning)) => (
            Some(store),
            warning.map(|warning| text::error_chain(&warning)),
        ),
        Err(error @ StoreError::Disk { .. }) => (None, Some(text::error_chain(&error))),
        Err(error) => return Err(error.into()),
    };
    if let Some(warning) = warning {
        tracing::warn!(folder = %folder.display(), "{warning}");
    }
    Ok(store)
}

/// Opens the store of plugins for reading, where there is one.
fn look_into_store(
    (folder, cache_bytes): &(PathBuf, u64),
) -> Result<Option<BlobStore>, SourceError> {
    match BlobStore::look(folder, *cache_bytes) {
        Err(StoreError::Disk { .. }) => Ok(None),
        looked => Ok(looked?),
    }
}

/// Runs disk access and compiling, which take up to seconds, outside of the runtime's threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    let worked = tokio::task::spawn_blocking(work).await;
    worked.map_err(|error| SourceError::System(io::Error::other(error)))?
}
