//! A component that was checked and compiled.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use edge_cache_core::text;
use sha2::{Digest, Sha256};
use wasmtime::Engine;

use crate::bindings::EdgeCachePluginPre;
use crate::compile::{Loading, blocking};
use crate::compiler::CompilerProcess;
use crate::config::PluginConfig;
use crate::contract::Comparison;
use crate::error::PluginError;
use crate::file::{self, NAME_BYTES_MAX, PluginFile};
use crate::metadata::{self, Metadata};
use crate::plugin_ctx::PluginCtx;

/// Number of hexadecimal digits of [`Plugin::policy`], enough to tell the plugins of a cluster apart.
const POLICY_DIGITS: usize = 12;

/// The current plugin of a registry, which only the registry's writer replaces.
pub type PluginCell = ArcSwap<Plugin>;

/// A component that was compared with the world and compiled. Cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    name: Arc<str>,
    pub(crate) inner: Arc<Inner>,
}

#[derive(Clone)]
pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) pre: EdgeCachePluginPre<PluginCtx>,
    sha256: [u8; 32],
    imports: Vec<String>,
    metadata: Metadata,
    config: PluginConfig,
    times: LoadTimes,
}

/// Time that loading a plugin took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadTimes {
    /// Time of compiling; none if the code came from a cache.
    pub compile: Option<Duration>,
    /// Time of everything else: a load from a cache takes about as long.
    pub load: Duration,
}

impl Plugin {
    /// Reads, checks and compiles a trusted file. Blocks for up to seconds.
    ///
    /// # Errors
    ///
    /// Any [`PluginError`].
    pub fn from_file(path: &Path, config: PluginConfig) -> Result<Self, PluginError> {
        Self::load(PluginFile::read(path, &config.limits)?, config)
    }

    /// Checks and compiles a trusted component from memory. Blocks for up to seconds.
    ///
    /// # Errors
    ///
    /// Any [`PluginError`] but [`PluginError::Read`].
    pub fn from_bytes(bytes: &[u8], config: PluginConfig) -> Result<Self, PluginError> {
        // The size is checked before the bytes are copied and hashed.
        file::check_header(bytes, config.limits.plugin_bytes)?;
        Self::load(PluginFile::new(file::EMBEDDED, bytes.to_vec()), config)
    }

    /// Checks a trusted file and compiles it in this process, one component at a time. Blocks for up to seconds.
    ///
    /// A small file can take minutes and gigabytes to compile. A file that is not trusted needs
    /// [`load_in_child`](Self::load_in_child).
    ///
    /// # Errors
    ///
    /// Any [`PluginError`] but [`PluginError::Read`].
    pub fn load(file: PluginFile, config: PluginConfig) -> Result<Self, PluginError> {
        let begun = Instant::now();
        let mut loading = Loading::start(file, config)?;
        let started = Instant::now();
        let is_compiled = loading.compile_here()?;
        let compile = is_compiled.then(|| started.elapsed());
        Self::of(loading, begun, compile)
    }

    /// Checks a file and compiles it in a child process, within the limits `compile_deadline`, `compile_memory` and
    /// `compiled_bytes`. The child ends if the future is dropped.
    ///
    /// # Errors
    ///
    /// Any [`PluginError`] but [`PluginError::Read`].
    pub async fn load_in_child(
        file: PluginFile,
        config: PluginConfig,
        compiler: &CompilerProcess,
    ) -> Result<Self, PluginError> {
        let begun = Instant::now();
        let mut loading = blocking(move || Loading::start(file, config)).await?;
        let started = Instant::now();
        let code = loading.compile_in_child(compiler).await?;
        let compile = code.as_ref().map(|_| started.elapsed());
        blocking(move || {
            loading.take(code)?;
            Self::of(loading, begun, compile)
        })
        .await
    }

    fn of(
        loading: Loading,
        begun: Instant,
        compile: Option<Duration>,
    ) -> Result<Self, PluginError> {
        let mut comparison = Comparison::default();
        let linked = loading.link(&mut comparison)?;
        let (file, config) = loading.into_parts();
        let imports = comparison.imports.into_iter();
        Ok(Self {
            name: text::clean(&file.name, NAME_BYTES_MAX).into(),
            inner: Arc::new(Inner {
                engine: linked.engine,
                pre: linked.pre,
                sha256: *file.sha256(),
                imports: imports.map(|import| import.name).collect(),
                metadata: metadata::find(&file.bytes).0,
                config,
                times: LoadTimes {
                    compile,
                    load: begun.elapsed().saturating_sub(compile.unwrap_or_default()),
                },
            }),
        })
    }

    /// Returns the same component with other settings, without compiling it again.
    #[must_use]
    pub fn with_settings(&self, settings: BTreeMap<String, String>) -> Self {
        let mut inner = Inner::clone(&self.inner);
        inner.config.settings = settings;
        Self {
            name: self.name.clone(),
            inner: Arc::new(inner),
        }
    }

    /// Returns the name of the file, or `embedded` for unnamed bytes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the SHA-256 of the file.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.inner.sha256
    }

    /// Returns a short digest of the component and its settings.
    ///
    /// Agents with different digests may assess the same labels differently.
    pub fn policy(&self) -> String {
        let mut digest = Sha256::new().chain_update(self.inner.sha256);
        let settings = self.config().settings.iter();
        for text in settings.flat_map(|(key, value)| [key, value]) {
            // The length of each text keeps one setting from running into the next.
            digest.update(text.len().to_le_bytes());
            digest.update(text);
        }
        let mut digits = hex::encode(digest.finalize());
        digits.truncate(POLICY_DIGITS);
        digits
    }

    /// Returns whether both are clones of one plugin.
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Returns the names of the component's imports.
    pub fn imports(&self) -> &[String] {
        &self.inner.imports
    }

    /// Returns the texts in which the component describes itself.
    pub fn metadata(&self) -> &Metadata {
        &self.inner.metadata
    }

    /// Returns the time that loading took.
    pub fn load_times(&self) -> LoadTimes {
        self.inner.times
    }

    /// Returns the configuration, without the code cache.
    pub fn config(&self) -> &PluginConfig {
        &self.inner.config
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.name)
            .field("sha256", &hex::encode(self.inner.sha256))
            .field("imports", &self.inner.imports)
            .finish_non_exhaustive()
    }
}
