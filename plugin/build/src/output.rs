//! The output files: written atomically, and only if their content changes.
//!
//! A new modification time of the component would cause the host to be compiled again.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::BuildError;
use crate::report::report;

/// A lock on a target folder, released when dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _lock: File,
}

/// Locks `target_dir`, after waiting for other builds of guests.
pub(crate) fn take_turn(target_dir: &Path) -> Result<Turn, BuildError> {
    make_folder(target_dir)?;
    let path = target_dir.join(".edge-cache-build.lock");
    let failed = |source| BuildError::File {
        action: "lock",
        path: path.clone(),
        source,
    };
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            report("waiting for another build of a guest to end");
            lock.lock().map_err(failed)?;
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    Ok(Turn { _lock: lock })
}

/// Writes `bytes` to `path` atomically, and returns whether the content changed.
pub(crate) fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<bool, BuildError> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        make_folder(folder)?;
    }
    let new = beside(path);
    let written = fs::write(&new, bytes).and_then(|()| fs::rename(&new, path));
    written.map(|()| true).map_err(|source| {
        // The error of the write is reported, not that of the removal.
        let _ = fs::remove_file(&new);
        BuildError::File {
            action: "write",
            path: path.to_path_buf(),
            source,
        }
    })
}

fn make_folder(path: &Path) -> Result<(), BuildError> {
    let made: io::Result<()> = fs::create_dir_all(path);
    made.map_err(|source| BuildError::File {
        action: "make the folder",
        path: path.to_path_buf(),
        source,
    })
}

/// Returns a path in the same folder that no other process uses.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests;
