//! The data directory: locked by one agent at a time, with files that are complete or missing.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::error::StoreError;
use edge_cache_sandbox::trusted_file;

const FILE: &str = "registry.redb";
const FRESH: &str = "registry.redb.new";
const CODE: &str = "code";
const LOCK: &str = "lock";

/// A data directory that this process has locked. Dropping unlocks it.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Creates the directory where it is missing, and locks it.
    pub(super) fn lock(path: &Path) -> Result<Self, StoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(trusted_file::DIRECTORY_MODE)
            .create(path)
            .map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    io::Error::new(io::ErrorKind::NotADirectory, "it is not a directory")
                }
                _ => error,
            })
            .map_err(io_error("create the data directory", path))?;
        // Compiled code is not read through a link, which another user could turn.
        let path = &path
            .canonicalize()
            .map_err(io_error("resolve the data directory", path))?;
        let lock_path = path.join(LOCK);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(io_error("write to", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_path_buf(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
                path: path.to_path_buf(),
            }),
            Err(TryLockError::Error(source)) => Err(io_error("lock", &lock_path)(source)),
        }
    }

    pub(super) fn file(&self) -> PathBuf {
        self.path.join(FILE)
    }

    /// Returns the directory for compiled code.
    pub(super) fn code(&self) -> PathBuf {
        self.path.join(CODE)
    }

    /// Creates the database file under another name, and renames it when it is complete.
    pub(super) fn create(
        &self,
        make: impl FnOnce(&Path) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let fresh = self.path.join(FRESH);
        trusted_file::remove(&fresh).map_err(io_error("remove", &fresh))?;
        make(&fresh)?;
        let file = self.file();
        fs::rename(&fresh, &file).map_err(io_error("create", &file))?;
        trusted_file::sync_directory(&self.path).map_err(io_error("sync", &self.path))
    }
}

/// Tells whether there is no such file. A dangling link is a volume that is not mounted, not a missing file.
pub(super) fn is_missing(path: &Path) -> Result<bool, StoreError> {
    match path.symlink_metadata() {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(io_error("look at", path)(error)),
    }
}

pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io {
        action,
        path: path.to_path_buf(),
        source,
    }
}
