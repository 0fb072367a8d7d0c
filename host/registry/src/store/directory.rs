//! The data directory: locked by one agent at a time, with files that are complete or missing.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::error::StoreError;
use edge_cache_sandbox::trusted_file;

const FILE: &str = "registry.redb";
const FRESH: &str = "registry.redb.new";
/// The names of stores that a restore has replaced, before their numbers.
const FORMER: &str = "registry.redb.before-restore-";
/// The most former stores that are kept.
const FORMER_MAX: u32 = 100;
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
                io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => not_a_directory(),
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
        locked(path, &lock_path, lock, File::try_lock)
    }

    /// Locks the directory against agents, and creates nothing. Returns none where there is no directory, or where no
    /// agent has used it; then one could be made.
    pub(super) fn look(path: &Path) -> Result<Option<Self>, StoreError> {
        let creating = || io_error("create the data directory", path);
        match path.metadata() {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(creating()(not_a_directory())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let existing = path.ancestors().find(|path| path.exists());
                let existing = existing.unwrap_or(Path::new("."));
                if !existing.is_dir() {
                    return Err(creating()(not_a_directory()));
                }
                may_create_in(existing).map_err(creating())?;
                return Ok(None);
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(creating()(not_a_directory()));
            }
            Err(error) => return Err(creating()(error)),
        }
        let path = &path
            .canonicalize()
            .map_err(io_error("resolve the data directory", path))?;
        let lock_path = path.join(LOCK);
        let lock = match File::options().write(true).open(&lock_path) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                may_create_in(path).map_err(io_error("write to", &lock_path))?;
                return Ok(None);
            }
            Err(error) => return Err(io_error("write to", &lock_path)(error)),
        };
        locked(path, &lock_path, lock, File::try_lock_shared).map(Some)
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
        if let Err(error) = make(&fresh) {
            // An incomplete file would only take up disk space.
            let _ = fs::remove_file(&fresh);
            return Err(error);
        }
        let file = self.file();
        fs::rename(&fresh, &file).map_err(io_error("create", &file))?;
        trusted_file::sync_directory(&self.path).map_err(io_error("sync", &self.path))
    }
}

impl Directory {
    /// Checks that this process has the user of a directory, who could not use its files otherwise. A directory that is
    /// missing will have it.
    pub(super) fn check_owner(path: &Path) -> Result<(), StoreError> {
        let owner = match path.metadata() {
            Ok(metadata) => metadata.uid(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(io_error("look at", path)(error)),
        };
        if owner == rustix::process::geteuid().as_raw() {
            return Ok(());
        }
        Err(StoreError::OtherOwner {
            path: path.to_path_buf(),
            owner,
        })
    }

    /// Gives the database file a second name, which stays when the first one gets another file, and returns it.
    pub(super) fn keep_former(&self) -> Result<PathBuf, StoreError> {
        let file = self.file();
        for number in 1..=FORMER_MAX {
            let former = self.path.join(format!("{FORMER}{number}"));
            match fs::hard_link(&file, &former) {
                Ok(()) => return Ok(former),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(io_error("create", &former)(error)),
            }
        }
        let former = self.path.join(format!("{FORMER}{FORMER_MAX}"));
        let full = io::Error::new(io::ErrorKind::AlreadyExists, "remove the former stores");
        Err(io_error("create", &former)(full))
    }
}

/// Returns a directory once its lock file is locked.
fn locked(
    path: &Path,
    lock_path: &Path,
    lock: File,
    try_lock: fn(&File) -> Result<(), TryLockError>,
) -> Result<Directory, StoreError> {
    match try_lock(&lock) {
        Ok(()) => Ok(Directory {
            path: path.to_path_buf(),
            _lock: lock,
        }),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
            path: path.to_path_buf(),
        }),
        Err(TryLockError::Error(source)) => Err(io_error("lock", lock_path)(source)),
    }
}

fn not_a_directory() -> io::Error {
    io::Error::new(io::ErrorKind::NotADirectory, "it is not a directory")
}

/// Checks that this process may create files in a directory.
fn may_create_in(directory: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(
        directory,
        Access::WRITE_OK | Access::EXEC_OK,
    )?)
}

/// Returns the size of the database file in a directory.
pub(super) fn file_bytes(directory: &Path) -> Option<u64> {
    let file = directory.join(FILE).metadata();
    file.ok().map(|metadata| metadata.len())
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
