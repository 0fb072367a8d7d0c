//! Plugins by reference: from the blob store, or from their registry as the pull policy says.
//!
//! A tag is resolved once. The digest is remembered after the plugin was accepted, and runs at each start until it is
//! resolved again. With a digest in the reference, nothing is ever resolved: its signatures are read again only.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use thiserror::Error;
use tokio::sync::Mutex;

use crate::artifact::Artifact;
use crate::digest::Digest;
use crate::reference::Reference;
use crate::registry::{RegistryClient, RegistryError};
use crate::store::{BlobStore, Lookup, StoreError};

/// The longest pull at a start under [`PullPolicy::Always`], where a version is stored: service managers wait no longer than
/// a minute or two for a start.
const START_PULL_MAX: Duration = Duration::from_secs(30);

/// Policy that says when a registry is asked for a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PullPolicy {
    /// At each start, to resolve the tag and to read the signatures again.
    Always,
    /// If the plugin is not in the store.
    #[default]
    IfNotPresent,
    /// Never: the plugin must be in the store.
    Never,
}

/// A text that is no pull policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("it must be one of always, if-not-present, never")]
pub struct InvalidPullPolicy;

/// The version of a plugin that a tag means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolve {
    /// The remembered one, as at a start. Under the policy `always` the registry's, or the remembered one where that
    /// cannot be had.
    Remembered,
    /// The registry's, as an operator asks for it.
    Again,
    /// The remembered one, or that of the reference's digest. The registry is asked only for what is not stored.
    Stored,
}

/// A plugin, and where it is from.
#[derive(Debug)]
pub struct Fetched {
    /// The plugin. Its signatures are not verified.
    pub artifact: Artifact,
    /// The reference with the digest that it resolved to.
    pub reference: Reference,
    /// Time of the pull, in seconds since the Unix epoch.
    pub pulled_at: u64,
    /// Problems on the way that the caller should log, most important first.
    pub warnings: Vec<SourceWarning>,
}

/// A problem in spite of which there is a plugin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceWarning {
    /// The registry cannot be asked, or its plugin cannot be used.
    #[error("the plugin is not pulled, and the stored one is used")]
    NotPulled(#[source] Box<SourceError>),
    /// A content in the store was damaged.
    #[error("a stored file of the plugin {0} is damaged: it is pulled again")]
    Damaged(Digest),
    /// The plugin could not be stored.
    #[error("the plugin is not stored, and the next start needs the registry")]
    NotStored(#[source] StoreError),
}

/// There is no plugin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The registry cannot be asked, or its plugin cannot be used.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The policy forbids to ask the registry, and the store has no plugin.
    #[error(
        "`{0}` is not stored, and `plugin.pull` is `never`: start once with `plugin.pull = \"if-not-present\"`"
    )]
    NotStored(Reference),
    /// The policy forbids to resolve a tag again.
    #[error(
        "the registry is not asked, because `plugin.pull` is `never`: use `if-not-present` to pull on demand"
    )]
    NotAsked,
    /// The stored plugin is damaged, and its registry does not give it again.
    #[error("a stored file of the plugin {0} is damaged, and it is not pulled again")]
    Damaged(Digest, #[source] Box<SourceError>),
    /// The registry takes too long, and an earlier version is stored.
    #[error("the pull took longer than {} s, as long as a start waits where a version is stored", START_PULL_MAX.as_secs())]
    Slow,
    /// The store is too small for the plugin, or its disk cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Plugins by reference. Clones share the store.
#[derive(Debug, Clone)]
pub struct PluginRepository {
    client: RegistryClient,
    policy: PullPolicy,
    component_bytes_max: u64,
    shared: Option<Arc<Mutex<Shared>>>,
}

#[derive(Debug)]
struct Shared {
    store: BlobStore,
    /// Manifests that are never evicted.
    kept: Vec<Digest>,
}

impl PluginRepository {
    /// Creates a repository. Without a store, each fetch asks the registry, and nothing is remembered.
    #[must_use]
    pub fn new(
        client: RegistryClient,
        store: Option<BlobStore>,
        policy: PullPolicy,
        component_bytes_max: u64,
    ) -> Self {
        let repository = Self {
            client,
            policy,
            component_bytes_max,
            shared: None,
        };
        match store {
            Some(store) => repository.stored_in(store),
            None => repository,
        }
    }

    /// Returns a repository that has this store.
    #[must_use]
    pub fn stored_in(self, store: BlobStore) -> Self {
        let kept = Vec::new();
        Self {
            shared: Some(Arc::new(Mutex::new(Shared { store, kept }))),
            ..self
        }
    }

    /// Returns whether there is a store.
    #[must_use]
    pub fn has_store(&self) -> bool {
        self.shared.is_some()
    }

    /// Returns the client of the registries.
    #[must_use]
    pub fn client(&self) -> &RegistryClient {
        &self.client
    }

    /// Returns a plugin, from the store or from its registry. A pulled one is stored, but its tag is not remembered.
    ///
    /// # Errors
    ///
    /// Any [`SourceError`].
    pub async fn fetch(
        &self,
        reference: &Reference,
        resolve: Resolve,
    ) -> Result<Fetched, SourceError> {
        let mut warnings = Vec::new();
        // A stored version of the reference, by its digest.
        let known = match reference.digest() {
            Some(digest) => Some(digest),
            None => self.remembered(reference).await.map(|(digest, _)| digest),
        };
        match (self.policy, resolve) {
            (PullPolicy::Never, Resolve::Again) => return Err(SourceError::NotAsked),
            (_, Resolve::Again) => {
                let fetched = self.pull(reference, resolve, &mut warnings).await?;
                return Ok(fetched.with(warnings));
            }
            (PullPolicy::Always, Resolve::Remembered) => {
                let pull = self.pull(reference, resolve, &mut warnings);
                // Without a stored one, there is nothing else to run.
                let within = known.map_or(Duration::MAX, |_| START_PULL_MAX);
                let pulled = tokio::time::timeout(within, pull).await;
                let error = match pulled {
                    Ok(Ok(fetched)) => return Ok(fetched.with(warnings)),
                    Ok(Err(error)) => error,
                    Err(_) => SourceError::Slow,
                };
                let Some(stored) = self.stored(reference, known, &mut warnings).await else {
                    return Err(error);
                };
                warnings.insert(0, SourceWarning::NotPulled(Box::new(error)));
                return Ok(stored.with(warnings));
            }
            (PullPolicy::IfNotPresent | PullPolicy::Never, Resolve::Remembered)
            | (_, Resolve::Stored) => {}
        }
        if let Some(stored) = self.stored(reference, known, &mut warnings).await {
            return Ok(stored.with(warnings));
        }
        let pulled = match (self.policy, known) {
            (PullPolicy::Never, _) => Err(SourceError::NotStored(reference.clone())),
            // A tag that was resolved once is not resolved again because its plugin was evicted.
            (_, Some(digest)) => {
                let pinned = reference.clone().with_digest(digest);
                self.pull(&pinned, resolve, &mut warnings).await
            }
            (_, None) => self.pull(reference, resolve, &mut warnings).await,
        };
        let damaged = warnings.iter().find_map(|warning| match warning {
            SourceWarning::Damaged(digest) => Some(*digest),
            _ => None,
        });
        match (pulled, damaged) {
            (Ok(fetched), _) => Ok(fetched.with(warnings)),
            (Err(error), None) => Err(error),
            (Err(error), Some(digest)) => Err(SourceError::Damaged(digest, Box::new(error))),
        }
    }

    /// Remembers the digest of a tag: a reference with both. Called after the plugin was accepted.
    ///
    /// # Errors
    ///
    /// Any [`StoreError`].
    pub async fn remember(&self, reference: &Reference, pulled_at: u64) -> Result<(), StoreError> {
        let reference = reference.clone();
        let remember = move |shared: &mut Shared| shared.store.remember(&reference, pulled_at);
        self.with_store(remember).await.unwrap_or(Ok(()))
    }

    /// Returns the remembered digest of a tag, and when its plugin was pulled.
    pub async fn remembered(&self, reference: &Reference) -> Option<(Digest, u64)> {
        let shared = self.shared.as_ref()?;
        shared.lock().await.store.remembered(reference)
    }

    /// Sets the manifests that are never evicted: those of the declared and of the running plugin.
    pub async fn keep(&self, manifests: &[Digest]) {
        if let Some(shared) = &self.shared {
            shared.lock().await.kept = manifests.to_vec();
        }
    }
}

impl PluginRepository {
    /// Asks the registry, and reads from it what is not stored.
    async fn pull(
        &self,
        reference: &Reference,
        resolve: Resolve,
        warnings: &mut Vec<SourceWarning>,
    ) -> Result<Fetched, SourceError> {
        let proof = self.client.proof(reference).await?;
        let digest = proof.manifest.digest;
        let stored = self.look_up(digest, warnings).await;
        let artifact = match stored {
            Some((stored, _)) => {
                let proof = proof.with_signatures(stored.proof.signatures);
                Artifact { proof, ..stored }
            }
            None => {
                let max = self.component_bytes_max;
                self.client.complete(reference, proof, max).await?
            }
        };
        let pulled_at = now();
        let added = artifact.clone();
        let tag = reference.clone();
        let put = move |shared: &mut Shared| {
            let mut kept = shared.kept.clone();
            // What ran before is needed where this one is refused.
            kept.extend(shared.store.remembered(&tag).map(|(digest, _)| digest));
            shared.store.put(&added, pulled_at, &kept)
        };
        match self.with_store(put).await {
            None | Some(Ok(())) => {}
            // A start runs without its store. Later, an operator sees the error, and the former plugin goes on.
            Some(Err(error @ StoreError::Disk { .. })) if resolve == Resolve::Remembered => {
                warnings.push(SourceWarning::NotStored(error));
            }
            Some(Err(error)) => return Err(error.into()),
        }
        Ok(Fetched {
            artifact,
            reference: reference.clone().with_digest(digest),
            pulled_at,
            warnings: Vec::new(),
        })
    }

    /// Returns a plugin from the store.
    async fn stored(
        &self,
        reference: &Reference,
        known: Option<Digest>,
        warnings: &mut Vec<SourceWarning>,
    ) -> Option<Fetched> {
        let digest = known?;
        let (artifact, pulled_at) = self.look_up(digest, warnings).await?;
        Some(Fetched {
            artifact,
            reference: reference.clone().with_digest(digest),
            pulled_at,
            warnings: Vec::new(),
        })
    }

    /// Looks into the store. A damaged plugin gives one warning.
    async fn look_up(
        &self,
        digest: Digest,
        warnings: &mut Vec<SourceWarning>,
    ) -> Option<(Artifact, u64)> {
        let at = now();
        let look_up = move |shared: &mut Shared| shared.store.get(&digest, at);
        match self.with_store(look_up).await? {
            Lookup::Found(artifact, pulled_at) => return Some((*artifact, pulled_at)),
            Lookup::Absent => {}
            Lookup::Damaged => {
                let is_said =
                    |warning: &SourceWarning| matches!(warning, SourceWarning::Damaged(_));
                if !warnings.iter().any(is_said) {
                    warnings.push(SourceWarning::Damaged(digest));
                }
            }
        }
        None
    }

    /// Works on the store outside of the runtime's threads. None if there is no store.
    async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Shared) -> T + Send + 'static,
    ) -> Option<T> {
        let mut shared = self.shared.clone()?.lock_owned().await;
        let worked = tokio::task::spawn_blocking(move || work(&mut shared)).await;
        // It does not panic, and is cancelled only when the runtime ends.
        worked.ok()
    }
}

impl Fetched {
    fn with(mut self, warnings: Vec<SourceWarning>) -> Self {
        self.warnings = warnings;
        self
    }
}

/// Returns the seconds since the Unix epoch.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

impl FromStr for PullPolicy {
    type Err = InvalidPullPolicy;

    fn from_str(text: &str) -> Result<Self, InvalidPullPolicy> {
        match text {
            "always" => Ok(Self::Always),
            "if-not-present" => Ok(Self::IfNotPresent),
            "never" => Ok(Self::Never),
            _ => Err(InvalidPullPolicy),
        }
    }
}

impl fmt::Display for PullPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Always => "always",
            Self::IfNotPresent => "if-not-present",
            Self::Never => "never",
        })
    }
}
