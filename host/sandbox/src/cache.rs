//! Compiled code kept on disk, so that a start does not compile.
//!
//! A compiled file is native code that runs unsandboxed, and wasmtime loads a damaged one without a word.
//! So nothing is loaded that this host did not write: the digest of every file is kept elsewhere, in the
//! store, and is checked on the very bytes that are loaded. Anything else there is compiled anew.

use std::collections::BTreeSet;
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
use edge_cache_core::text;

#[cfg(test)]
mod tests;

/// How many compiled files are kept; the oldest goes first.
const FILES_MAX: usize = 8;
/// The largest compiled file that is read: several times what the largest component compiles to.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Where the digests of compiled files are kept: not beside them.
pub trait Digests: fmt::Debug + Send + Sync {
    /// The digest that was kept under a name.
    fn get(&self, name: &str) -> Option<[u8; 32]>;

    /// Keeps a digest under a name, and forgets those under all names but `names`, which are those that there are
    /// files of, this one's among them.
    ///
    /// # Errors
    ///
    /// In words, where it could not be kept; the file is then never loaded.
    fn put(&self, name: &str, digest: [u8; 32], names: &BTreeSet<String>) -> Result<(), String>;
}

/// A directory of compiled code.
#[derive(Debug, Clone)]
pub struct CodeCache {
    directory: PathBuf,
    digests: Arc<dyn Digests>,
}

impl CodeCache {
    /// A cache in `directory`, which is made where it is not there.
    pub fn new(directory: PathBuf, digests: Arc<dyn Digests>) -> Self {
        Self { directory, digests }
    }

    /// The compiled component, from the cache where it is there and untouched.
    pub(super) fn component(
        &self,
        engine: &Engine,
        sha256: &[u8; 32],
        compile: impl FnOnce() -> wasmtime::Result<Component>,
    ) -> wasmtime::Result<Component> {
        let name = file_name(engine, sha256);
        match self.load(engine, &name) {
            Ok(Some(component)) => {
                tracing::debug!(name, "compiled code taken from the cache");
                return Ok(component);
            }
            Ok(None) => {}
            Err(reason) => tracing::warn!(name, reason, "compiled code in the cache is not used"),
        }
        let component = compile()?;
        if let Err(error) = self.save(&name, &component) {
            tracing::warn!(name, %error, "compiled code is not kept");
        }
        Ok(component)
    }

    fn load(&self, engine: &Engine, name: &str) -> Result<Option<Component>, String> {
        match self.read(name)? {
            Some(code) => deserialize(engine, &code)
                .map(Some)
                .map_err(|error| error.to_string()),
            None => Ok(None),
        }
    }

    /// What this host wrote under a name, if it is still there.
    fn read(&self, name: &str) -> Result<Option<OwnCode>, String> {
        let Some(digest) = self.digests.get(name) else {
            return Ok(None);
        };
        let Some(bytes) = trusted_file::read(&self.directory.join(name), FILE_BYTES_MAX)? else {
            // It went to make room for others.
            return Ok(None);
        };
        trusted_file::check_directory(&self.directory)?;
        OwnCode::check(bytes, &digest).map(Some)
    }

    fn save(&self, name: &str, component: &Component) -> Result<(), String> {
        let bytes = component.serialize().map_err(|error| error.to_string())?;
        DirBuilder::new()
            .recursive(true)
            .mode(trusted_file::DIRECTORY_MODE)
            .create(&self.directory)
            .map_err(|error| error.to_string())?;
        trusted_file::check_directory(&self.directory)?;
        self.write(name, &bytes)
            .map_err(|error| error.to_string())?;
        let names = self.names().map_err(|error| error.to_string())?;
        self.digests
            .put(name, Sha256::digest(&bytes).into(), &names)
    }

    /// What there are files of.
    fn names(&self) -> io::Result<BTreeSet<String>> {
        let files = fs::read_dir(&self.directory)?.filter_map(Result::ok);
        Ok(files
            .filter_map(|file| file.file_name().into_string().ok())
            .collect())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.directory.join(name);
        self.make_room(&path)?;
        trusted_file::write(&path, bytes)
    }

    /// Makes room for one file, which takes the place of the one at `path`.
    fn make_room(&self, path: &Path) -> io::Result<()> {
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

/// Bytes that this host wrote. Nothing else is ever loaded.
struct OwnCode(Vec<u8>);

impl OwnCode {
    fn check(bytes: Vec<u8>, digest: &[u8; 32]) -> Result<Self, String> {
        if <[u8; 32]>::from(Sha256::digest(&bytes)) == *digest {
            Ok(Self(bytes))
        } else {
            Err("its content is not what was written".to_string())
        }
    }
}

/// Loads compiled code.
#[allow(
    unsafe_code,
    reason = "the bytes have the digest of what this host compiled"
)]
fn deserialize(engine: &Engine, code: &OwnCode) -> wasmtime::Result<Component> {
    // SAFETY: the digest of these very bytes is the one that was kept when this host wrote them, so they
    // are what `Component::serialize` made. Wasmtime itself refuses code of another version or for another
    // machine.
    unsafe { Component::deserialize(engine, &code.0) }
}

/// The component, and everything about the engine that its code depends on.
fn file_name(engine: &Engine, sha256: &[u8; 32]) -> String {
    let mut hasher = DigestHasher(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let engine: [u8; 32] = hasher.0.finalize().into();
    format!("{}-{}.cwasm", text::hex(sha256), text::hex(&engine))
}

/// `Hash` values into a digest that is the same in every process.
struct DigestHasher(Sha256);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        // `file_name` takes the whole digest; this is only asked for by callers that want 64 bits.
        let digest: [u8; 32] = self.0.clone().finalize().into();
        digest
            .iter()
            .take(8)
            .fold(0, |sum, &byte| (sum << 8) | u64::from(byte))
    }
}
