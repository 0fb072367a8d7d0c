//! Compiled code kept on disk, so that a start does not compile.
//!
//! A compiled file is native code that runs unsandboxed, and wasmtime loads a damaged one without a word.
//! So nothing is loaded that this host did not write: the digest of every file is kept elsewhere, in the
//! store, and is checked on the very bytes that are loaded. Anything else there is compiled anew.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::text;

/// How many compiled files are kept; the oldest goes first.
const FILES_MAX: usize = 8;
/// The largest compiled file that is read: several times what the largest component compiles to.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Nobody but the agent's user reads or writes there.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// The mode bits that would let somebody else write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Where the digests of compiled files are kept: not beside them.
pub trait Digests: fmt::Debug + Send + Sync {
    /// The digest that was kept under a name.
    fn get(&self, name: &str) -> Option<[u8; 32]>;

    /// Keeps a digest under a name.
    ///
    /// # Errors
    ///
    /// In words, where it could not be kept; the file is then never loaded.
    fn put(&self, name: &str, digest: [u8; 32]) -> Result<(), String>;
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
        let Some(digest) = self.digests.get(name) else {
            return Ok(None);
        };
        // Who can write to the folder above could put another one, or another store, in its place.
        if let Some(parent) = self.directory.parent() {
            check_owner(parent)?;
        }
        check_owner(&self.directory)?;
        let path = self.directory.join(name);
        check_owner(&path)?;
        let mut bytes = Vec::new();
        File::open(&path)
            .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes))
            .map_err(|error| error.to_string())?;
        if <[u8; 32]>::from(Sha256::digest(&bytes)) != digest {
            return Err("its content is not what was written".to_string());
        }
        deserialize(engine, &bytes)
            .map(Some)
            .map_err(|error| error.to_string())
    }

    fn save(&self, name: &str, component: &Component) -> Result<(), String> {
        let bytes = component.serialize().map_err(|error| error.to_string())?;
        self.write(name, &bytes)
            .map_err(|error| error.to_string())?;
        self.digests.put(name, Sha256::digest(&bytes).into())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(&self.directory)?;
        self.make_room()?;
        let fresh = self.directory.join(format!("{name}.new"));
        let written =
            write_file(&fresh, bytes).and_then(|()| fs::rename(&fresh, self.directory.join(name)));
        if written.is_err() {
            // Half a file would only take up the room that was lacking.
            let _ = fs::remove_file(&fresh);
        }
        written
    }

    fn make_room(&self) -> io::Result<()> {
        let mut files: Vec<(SystemTime, PathBuf)> = fs::read_dir(&self.directory)?
            .filter_map(Result::ok)
            .filter_map(|file| Some((file.metadata().ok()?.modified().ok()?, file.path())))
            .collect();
        files.sort();
        let surplus = files.len().saturating_sub(FILES_MAX.saturating_sub(1));
        files
            .iter()
            .take(surplus)
            .try_for_each(|(_, path)| fs::remove_file(path))
    }
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(FILE_MODE)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Loads compiled code.
#[allow(
    unsafe_code,
    reason = "the bytes have the digest of what this host compiled"
)]
fn deserialize(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the caller has compared the digest of these very bytes with the one that was kept when this
    // host wrote them, so they are what `Component::serialize` made. Wasmtime itself refuses code of
    // another version or for another machine.
    unsafe { Component::deserialize(engine, bytes) }
}

/// The component, and everything about the engine that its code depends on.
fn file_name(engine: &Engine, sha256: &[u8; 32]) -> String {
    let mut hasher = DigestHasher(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let engine: [u8; 32] = hasher.0.finalize().into();
    format!("{}-{}.cwasm", text::hex(sha256), text::hex(&engine))
}

/// The agent's user must be the owner, and nobody else a writer.
fn check_owner(path: &Path) -> Result<(), String> {
    let metadata = fs::symlink_metadata(path).map_err(|error| error.to_string())?;
    if metadata.is_symlink() || metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(format!("{} is not the agent's own", path.display()));
    }
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(format!("{} is writable by others", path.display()));
    }
    Ok(())
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
