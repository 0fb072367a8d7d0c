//! A component that was checked and compiled.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};
use thiserror::Error;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use super::bindings::{EdgeCachePluginPre, gossip_labels, logging, types};
use super::cache::CodeCache;
use super::contract::{self, Mismatch, PROVIDED};
use super::engine;
use super::file::{self, PluginFile};
use super::gossip_labels::HasLabels;
use super::instance::{HasLog, HostState};
use super::wasi;
use edge_cache_core::Limits;
use edge_cache_core::labels::LabelGrants;
use edge_cache_core::text;

/// The current plugin of a registry. Only the writer stores into it.
pub type PluginCell = ArcSwap<Plugin>;

/// How many mismatches an error names: a file may have thousands of imports.
const MISMATCHES_SHOWN: usize = 16;

/// What a component is given.
#[derive(Debug, Clone, Default)]
pub struct PluginConfig {
    /// What it may use.
    pub limits: Limits,
    /// The interfaces that it may import.
    pub imports: ImportGrants,
    /// The label keys that it may set.
    pub labels: LabelGrants,
    /// Its settings, which it reads through `wasi:config/store`.
    pub settings: BTreeMap<String, String>,
    /// Where its compiled code is kept, if anywhere.
    pub cache: Option<CodeCache>,
    /// The SHA-256 that its file must have. Default: any.
    pub sha256: Option<[u8; 32]>,
}

/// The interfaces that a component may import, by name without version. By default all that the host has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportGrants(BTreeSet<String>);

impl ImportGrants {
    /// The names, in ascending order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether a component may import this interface.
    pub(super) fn allow(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

impl Default for ImportGrants {
    fn default() -> Self {
        PROVIDED.iter().copied().collect()
    }
}

impl<S: Into<String>> FromIterator<S> for ImportGrants {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }
}

/// Why a file did not become a plugin. Nothing was run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PluginError {
    /// The file could not be read.
    #[error("cannot read the plugin {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than a component may be.
    #[error("the plugin is larger than {limit} bytes, the limit `plugin_bytes`")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// It is another file than the one that is asked for.
    #[error(
        "the plugin has the SHA-256 {}, not {} as it is pinned to",
        text::hex(found),
        text::hex(pinned)
    )]
    OtherDigest {
        /// What was asked for.
        pinned: [u8; 32],
        /// What the file has.
        found: [u8; 32],
    },
    /// The file is something else.
    #[error("the plugin is not a WebAssembly file: it does not begin with `\\0asm`")]
    NotWasm,
    /// The file is a core module.
    #[error(
        "the plugin is a WebAssembly core module, not a component; turn it into one with \
         `wasm-tools component new` or the builder"
    )]
    CoreModule,
    /// The file is WebAssembly of a version that this host does not know.
    #[error(
        "the plugin is WebAssembly of an unknown version; a component of version 0x0d is needed"
    )]
    UnknownVersion,
    /// Wasmtime does not take it.
    #[error("the plugin is not a valid component: {0}")]
    Invalid(String),
    /// It is a component of another world.
    #[error("the plugin is not of the world zlayer:edge-cache/edge-cache-plugin@0.1.0: {}", list(.0))]
    Mismatch(Vec<Mismatch>),
    /// The host itself could not set up its sandbox.
    #[error("cannot set up the sandbox: {0}")]
    Sandbox(String),
}

/// How many hexadecimal digits of a digest are enough to tell the components of a cluster apart.
const POLICY_DIGITS: usize = 12;

/// A component that was checked against the world and compiled. Cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    name: Arc<str>,
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    pre: EdgeCachePluginPre<HostState>,
    sha256: [u8; 32],
    imports: Vec<String>,
    config: PluginConfig,
}

impl Plugin {
    /// Reads, checks and compiles a component file. Takes up to seconds: not for an async thread.
    pub fn from_file(path: &Path, config: PluginConfig) -> Result<Self, PluginError> {
        PluginFile::read(path, &config.limits)?.load(config)
    }

    /// Checks and compiles a component. Takes up to seconds: not for an async thread.
    ///
    /// Components are compiled one at a time in a process, whatever the number of callers.
    pub fn from_bytes(bytes: &[u8], config: PluginConfig) -> Result<Self, PluginError> {
        // What is too large is not hashed.
        file::check_header(bytes, config.limits.plugin_bytes)?;
        Self::from_digested(bytes, Sha256::digest(bytes).into(), config)
    }

    /// The same of bytes that are known to be of the right size and to begin as a component does.
    pub(super) fn from_digested(
        bytes: &[u8],
        sha256: [u8; 32],
        mut config: PluginConfig,
    ) -> Result<Self, PluginError> {
        if let Some(pinned) = config.sha256.filter(|pinned| *pinned != sha256) {
            let found = sha256;
            return Err(PluginError::OtherDigest { pinned, found });
        }
        let engine = engine::new(&config.limits).map_err(sandbox_error)?;
        // The cache is let go of with the store behind it: a plugin outlives many stores.
        let cache = config.cache.take();
        let component = compile(&engine, bytes, &sha256, cache)?;
        let granted = |name: &str| config.imports.allow(name);
        let mismatches = contract::compare(&component, &engine, &granted);
        if !mismatches.is_empty() {
            return Err(PluginError::Mismatch(mismatches));
        }
        let pre = link(&engine, &component)?;
        let imports = component
            .component_type()
            .imports(&engine)
            .map(|(name, _)| name.to_string())
            .collect();
        Ok(Self {
            name: file::EMBEDDED.into(),
            inner: Arc::new(Inner {
                engine,
                pre,
                sha256,
                imports,
                config,
            }),
        })
    }

    /// The same component with other settings, compiled already.
    #[must_use]
    pub fn with_settings(&self, settings: BTreeMap<String, String>) -> Self {
        let Inner {
            engine,
            pre,
            sha256,
            imports,
            config,
        } = &*self.inner;
        Self {
            name: self.name.clone(),
            inner: Arc::new(Inner {
                engine: engine.clone(),
                pre: pre.clone(),
                sha256: *sha256,
                imports: imports.clone(),
                config: PluginConfig {
                    settings,
                    ..config.clone()
                },
            }),
        }
    }

    /// The SHA-256 of the component file.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.inner.sha256
    }

    /// A short digest of what decides: the component and its settings. Agents whose digests differ may
    /// judge the same labels differently.
    pub fn policy(&self) -> String {
        let mut digest = Sha256::new().chain_update(self.inner.sha256);
        for text in self
            .inner
            .config
            .settings
            .iter()
            .flat_map(|(key, value)| [key, value])
        {
            // Lengths keep one setting from running into the next.
            digest.update(text.len().to_le_bytes());
            digest.update(text);
        }
        let mut hex = text::hex(&digest.finalize());
        hex.truncate(POLICY_DIGITS);
        hex
    }

    /// The same under another name.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self {
            name: text::clean(name, file::NAME_BYTES_MAX).into(),
            ..self
        }
    }

    /// Whether both are clones of one.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// The name of its file; `embedded` where it came as bytes and was not named.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of what the component imports.
    pub fn imports(&self) -> &[String] {
        &self.inner.imports
    }

    /// What the component is given.
    pub fn config(&self) -> &PluginConfig {
        &self.inner.config
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(super) fn pre(&self) -> &EdgeCachePluginPre<HostState> {
        &self.inner.pre
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("imports", &self.inner.imports)
            .finish_non_exhaustive()
    }
}

/// Compiles what was not compiled before.
pub(super) fn compile(
    engine: &Engine,
    bytes: &[u8],
    sha256: &[u8; 32],
    cache: Option<CodeCache>,
) -> Result<Component, PluginError> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let compile = || Component::from_binary(engine, bytes);
    match cache {
        Some(cache) => cache.component(engine, sha256, compile),
        None => compile(),
    }
    .map_err(invalid)
}

/// Gives a component what it imports.
pub(super) fn link(
    engine: &Engine,
    component: &Component,
) -> Result<EdgeCachePluginPre<HostState>, PluginError> {
    linker(engine)
        .map_err(sandbox_error)?
        .instantiate_pre(component)
        .and_then(EdgeCachePluginPre::new)
        .map_err(invalid)
}

fn linker(engine: &Engine) -> wasmtime::Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    wasi::add_to_linker(&mut linker)?;
    wasmtime_wasi_config::add_to_linker(&mut linker, |state: &mut HostState| {
        (&state.settings).into()
    })?;
    types::add_to_linker::<_, HasLabels>(&mut linker, |state: &mut HostState| &mut state.labels)?;
    gossip_labels::add_to_linker::<_, HasLabels>(&mut linker, |state| &mut state.labels)?;
    logging::add_to_linker::<_, HasLog>(&mut linker, |state| &state.log)?;
    Ok(linker)
}

fn invalid(error: wasmtime::Error) -> PluginError {
    PluginError::Invalid(text::clean(&format!("{error:#}"), text::ERROR_BYTES_MAX))
}

pub(super) fn sandbox_error(error: wasmtime::Error) -> PluginError {
    PluginError::Sandbox(text::clean(&format!("{error:#}"), text::ERROR_BYTES_MAX))
}

fn list(mismatches: &[Mismatch]) -> String {
    let mut list = mismatches
        .iter()
        .take(MISMATCHES_SHOWN)
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    let more = mismatches.len().saturating_sub(list.len());
    if more > 0 {
        list.push(format!("and {more} more"));
    }
    list.join("; ")
}
