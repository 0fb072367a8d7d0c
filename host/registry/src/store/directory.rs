//! The data directory: one agent's at a time, and never half made.

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

/// A data directory that this process holds. It is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    pub(super) fn hold(path: &Path) -> Result<Self, StoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(trusted_file::DIRECTORY_MODE)
            .create(path)
            .map_err(io_error("create the data directory", path))?;
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

    /// Where compiled code is kept.
    pub(super) fn code(&self) -> PathBuf {
        self.path.join(CODE)
    }

    /// Makes the file elsewhere and moves it to its place when it is whole.
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

pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io {
        action,
        path: path.to_path_buf(),
        source,
    }
}
