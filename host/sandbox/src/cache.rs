//! A cache of compiled code on disk, so that a start does not compile.
//!
//! A compiled file is native code that runs outside the sandbox, and wasmtime does not notice a damaged one.
//! So only files that this host wrote are loaded: their digests are stored elsewhere, and are compared with
//! the loaded bytes. If a file does not match, the component is compiled again.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::fs::{self, DirBuilder};
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::trusted_file;

#[cfg(test)]
mod tests;

/// Largest number of compiled files; the oldest is evicted first.
const FILES_MAX: usize = 8;
/// Size of the largest compiled file that is read, in bytes: several times the largest real one.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// A store for the digests of compiled files, which must not be beside the files.
pub trait Digests: fmt::Debug + Send + Sync {
    /// Returns the digest of the file with this name.
    fn get(&self, name: &str) -> Option<[u8; 32]>;

    /// Stores the digest of a file and removes those of all files but `names`, the existing ones.
    ///
    /// # Errors
    ///
    /// The text says why the digest could not be stored. The file is then never loaded.
    fn put(&self, name: &str, digest: [u8; 32], names: &BTreeSet<String>) -> Result<(), String>;
}

/// A directory of compiled code.
#[derive(Debug, Clone)]
pub struct CodeCache {
    directory: PathBuf,
    digests: Arc<dyn Digests>,
}

impl CodeCache {
    /// Makes a cache in `directory`, which is created by the first write.
    pub fn new(directory: PathBuf, digests: Arc<dyn Digests>) -> Self {
        Self { directory, digests }
    }

    /// Returns the component with this digest, if its code is in the cache and is trusted.
    pub(crate) fn get(&self, engine: &Engine, sha256: &[u8; 32]) -> Option<Component> {
        let name = file_name(engine, sha256);
        match self.load(engine, &name) {
            Ok(component) => {
                if component.is_some() {
                    tracing::debug!(name, "compiled code loaded from the cache");
                }
                component
            }
            Err(reason) => {
                tracing::warn!(name, reason, "compiled code in the cache is not used");
                None
            }
        }
    }

    /// Stores compiled code. A failure is logged, since the code can be compiled again.
    pub(crate) fn put(&self, engine: &Engine, sha256: &[u8; 32], code: &[u8]) {
        let name = file_name(engine, sha256);
        if let Err(error) = self.save(&name, code) {
            tracing::warn!(name, %error, "compiled code is not cached");
        }
    }

    fn load(&self, engine: &Engine, name: &str) -> Result<Option<Component>, String> {
        let Some(code) = self.read(name)? else {
            return Ok(None);
        };
        let component = code.component(engine);
        component.map(Some).map_err(|error| error.to_string())
    }

    /// Returns the content of a file that this host wrote, if it still exists.
    fn read(&self, name: &str) -> Result<Option<TrustedCode>, String> {
        let Some(digest) = self.digests.get(name) else {
            return Ok(None);
        };
        let Some(bytes) = trusted_file::read(&self.directory.join(name), FILE_BYTES_MAX)? else {
            // The file was evicted.
            return Ok(None);
        };
        trusted_file::check_directory(&self.directory)?;
        TrustedCode::of_file(bytes, &digest).map(Some)
    }

    fn save(&self, name: &str, code: &[u8]) -> Result<(), Box<dyn Error>> {
        DirBuilder::new()
            .recursive(true)
            .mode(trusted_file::DIRECTORY_MODE)
            .create(&self.directory)?;
        trusted_file::check_directory(&self.directory)?;
        let path = self.directory.join(name);
        self.evict(&path)?;
        trusted_file::write(&path, code)?;
        let digest = Sha256::digest(code).into();
        Ok(self.digests.put(name, digest, &self.names()?)?)
    }

    /// Returns the names of all files in the directory.
    fn names(&self) -> io::Result<BTreeSet<String>> {
        let files = fs::read_dir(&self.directory)?.filter_map(Result::ok);
        Ok(files
            .filter_map(|file| file.file_name().into_string().ok())
            .collect())
    }

    /// Removes the oldest files, so that one more fits. A file at `path` does not count: it is replaced.
    fn evict(&self, path: &Path) -> io::Result<()> {
        let mut files: Vec<(SystemTime, PathBuf)> = fs::read_dir(&self.directory)?
            .filter_map(Result::ok)
            .filter_map(|file| Some((file.metadata().ok()?, file.path())))
            .filter(|(metadata, other)| !metadata.is_dir() && other != path)
            .filter_map(|(metadata, path)| Some((metadata.modified().ok()?, path)))
            .collect();
        files.sort();
        let surplus = files.len().saturating_sub(FILES_MAX.saturating_sub(1));
        files
            .iter()
            .take(surplus)
            .try_for_each(|(_, path)| fs::remove_file(path))
    }
}

/// Machine code of a component that this host compiled. Nothing else is ever loaded.
pub(crate) struct TrustedCode(Vec<u8>);

impl TrustedCode {
    /// Takes the output of a child process that this process started to compile a component.
    pub(crate) fn of_child(code: Vec<u8>) -> Self {
        Self(code)
    }

    /// Takes the content of a file, if its digest is the one that was stored when the file was written.
    fn of_file(bytes: Vec<u8>, digest: &[u8; 32]) -> Result<Self, String> {
        if <[u8; 32]>::from(Sha256::digest(&bytes)) == *digest {
            Ok(Self(bytes))
        } else {
            Err("its content is not what was written".to_string())
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Loads the code.
    #[allow(unsafe_code, reason = "this host compiled the code")]
    pub(crate) fn component(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: the bytes come through a pipe from a child that runs this program's compiler, or from a file with
        // the digest that was stored when this host wrote it. So they are the output of wasmtime's compiler. Wasmtime
        // refuses code of another version or another machine.
        unsafe { Component::deserialize(engine, &self.0) }
    }
}

/// Returns the name of a compiled file: a digest of the component, and one of all that its code depends on.
fn file_name(engine: &Engine, sha256: &[u8; 32]) -> String {
    let mut hasher = DigestHasher(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let engine: [u8; 32] = hasher.0.finalize().into();
    format!("{}-{}.cwasm", hex::encode(sha256), hex::encode(engine))
}

/// A [`Hasher`] with the same result in every process.
struct DigestHasher(Sha256);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        // `file_name` uses the whole digest; the trait requires 64 bits of it.
        let digest: [u8; 32] = self.0.clone().finalize().into();
        digest
            .iter()
            .take(8)
            .fold(0, |sum, &byte| (sum << 8) | u64::from(byte))
    }
}
