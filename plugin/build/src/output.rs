//! The files that outlive a build: whole, never half written, and untouched where nothing changed,
//! because the time of the component's last change makes the host be compiled again.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::{BuildError, say};

/// A build's turn at a target folder; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _lock: File,
}

/// Waits until no other build of a guest uses `target_dir`.
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
            say("waiting for another build of a guest to end");
            lock.lock().map_err(failed)?;
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    Ok(Turn { _lock: lock })
}

/// Makes `bytes` the content of `path`, in one step, and tells whether that changed it.
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
        // What matters is why the writing failed.
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

/// A name in the same folder, so on the same file system, that no other process uses.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests;
