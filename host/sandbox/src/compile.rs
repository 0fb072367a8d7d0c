//! Loading: checks a component, compiles it or takes its code from the cache, and links it.

use std::sync::{Mutex, PoisonError};

use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::bindings::EdgeCachePluginPre;
use crate::cache::{CodeCache, TrustedCode};
use crate::compiler::CompilerProcess;
use crate::config::PluginConfig;
use crate::contract::Comparison;
use crate::engine::engine;
use crate::error::PluginError;
use crate::file::PluginFile;
use crate::footprint;
use crate::imports;
use crate::plugin_ctx::PluginCtx;
use crate::wasi::http;

/// A component with its links to the host.
pub(crate) struct Linked {
    pub(crate) engine: Engine,
    pub(crate) pre: EdgeCachePluginPre<PluginCtx>,
}

/// A checked file before it is compiled. Its functions block, but for [`compile_in_child`](Self::compile_in_child).
pub(crate) struct Loading {
    file: PluginFile,
    config: PluginConfig,
    /// The cache holds a store of digests, which must not live as long as the plugin.
    cache: Option<CodeCache>,
    engine: Engine,
    component: Option<Component>,
}

impl Loading {
    /// Checks the size, kind and footprint of a file, and looks for its code in the cache.
    pub(crate) fn start(file: PluginFile, mut config: PluginConfig) -> Result<Self, PluginError> {
        file.check(&config.limits)?;
        config.check_pin(*file.sha256())?;
        let footprint = footprint::of(&file.bytes)?;
        let limit = config.limits.instance_bytes;
        if footprint > u64::try_from(limit).unwrap_or(u64::MAX) {
            return Err(PluginError::InstanceTooLarge { footprint, limit });
        }
        let engine = engine(&config.limits).map_err(|error| PluginError::sandbox(&error))?;
        let cache = config.cache.take();
        let component = cache.as_ref();
        let component = component.and_then(|cache| cache.get(&engine, file.sha256()));
        Ok(Self {
            file,
            config,
            cache,
            engine,
            component,
        })
    }

    /// Compiles in this process, one component at a time, since each takes much memory and every core.
    ///
    /// Returns false if the code was in the cache.
    pub(crate) fn compile_here(&mut self) -> Result<bool, PluginError> {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        if self.component.is_some() {
            return Ok(false);
        }
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let component = Component::from_binary(&self.engine, &self.file.bytes)
            .map_err(|error| PluginError::invalid(&format!("{error:#}")))?;
        drop(turn);
        if let Some(cache) = &self.cache {
            let code = component.serialize();
            let code = code.map_err(|error| PluginError::sandbox(&error))?;
            cache.put(&self.engine, self.file.sha256(), &code);
        }
        self.component = Some(component);
        Ok(true)
    }

    /// Compiles in a child process, which ends if the future is dropped.
    pub(crate) async fn compile_in_child(
        &self,
        compiler: &CompilerProcess,
    ) -> Result<Option<TrustedCode>, PluginError> {
        if self.component.is_some() {
            return Ok(None);
        }
        // A large plugin takes seconds, in which nothing else is said.
        let (sha256, bytes) = (hex::encode(self.file.sha256()), self.file.bytes.len());
        tracing::info!(sha256, bytes, "compiling the plugin");
        let code = compiler.compile(&self.file.bytes, &self.config.limits);
        code.await.map(Some)
    }

    /// Takes the code of a child process, if any, into the cache.
    pub(crate) fn take(&mut self, code: Option<TrustedCode>) -> Result<(), PluginError> {
        let Some(code) = code else {
            return Ok(());
        };
        let component = code.component(&self.engine);
        self.component = Some(component.map_err(|error| PluginError::sandbox(&error))?);
        if let Some(cache) = &self.cache {
            cache.put(&self.engine, self.file.sha256(), code.bytes());
        }
        Ok(())
    }

    /// Compares the component with the world and links it.
    ///
    /// `comparison` is set also if the component does not fit.
    pub(crate) fn link(&self, comparison: &mut Comparison) -> Result<Linked, PluginError> {
        let (engine, Some(component)) = (&self.engine, &self.component) else {
            return Err(PluginError::Sandbox("nothing was compiled".to_string()));
        };
        *comparison = Comparison::of(component, engine, &self.config.imports);
        let mismatches = comparison.mismatches();
        if !mismatches.is_empty() {
            return Err(PluginError::Mismatch(mismatches));
        }
        let pre = linker(engine, component)
            .map_err(|error| PluginError::sandbox(&error))?
            .instantiate_pre(component)
            .and_then(EdgeCachePluginPre::new)
            .map_err(|error| PluginError::invalid(&format!("{error:#}")))?;
        Ok(Linked {
            engine: engine.clone(),
            pre,
        })
    }

    /// Returns the file and the configuration without the cache.
    pub(crate) fn into_parts(self) -> (PluginFile, PluginConfig) {
        (self.file, self.config)
    }
}

fn linker(engine: &Engine, component: &Component) -> wasmtime::Result<Linker<PluginCtx>> {
    let mut linker = Linker::new(engine);
    imports::add_wasi_to_linker(&mut linker)?;
    imports::add_to_linker(&mut linker)?;
    http::add_to_linker(&mut linker, component)?;
    Ok(linker)
}

/// Runs disk access and checks, which take up to seconds, outside of the threads of the async runtime.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PluginError> + Send + 'static,
) -> Result<T, PluginError> {
    let worked = tokio::task::spawn_blocking(work).await;
    worked.unwrap_or_else(|error| Err(PluginError::Sandbox(error.to_string())))
}
