//! The output files: written atomically, and only if their content changes.
//!
//! A new modification time of the component would cause the host to be compiled again.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};

/// Locks `target_dir`, after waiting for other builds of guests. The lock is released when the file is dropped.
pub(crate) fn take_turn(target_dir: &Path) -> Result<File> {
    let path = target_dir.join(".edge-cache-build.lock");
    lock(&path).with_context(|| format!("could not lock {}", path.display()))
}

fn lock(path: &Path) -> io::Result<File> {
    create_folder_of(path)?;
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            report("waiting for another build of a guest to end");
            lock.lock()?;
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    Ok(lock)
}

/// Writes `bytes` to `path` atomically, and returns whether the content changed.
pub(crate) fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<bool> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    // A file in the same folder that no other process uses.
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let new = path.with_file_name(name);
    let written = create_folder_of(path)
        .and_then(|()| fs::write(&new, bytes))
        .and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // The error of the write is reported, not that of the removal.
        let _ = fs::remove_file(&new);
    }
    written.with_context(|| format!("could not write {}", path.display()))?;
    Ok(true)
}

/// Prints a line to standard error, which a test runner does not capture.
pub(crate) fn report(line: &str) {
    // A closed standard error is ignored.
    let _ = writeln!(io::stderr(), "edge-cache-build: {line}");
}

fn create_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|path| !path.as_os_str().is_empty());
    folder.map_or(Ok(()), fs::create_dir_all)
}

#[cfg(test)]
mod tests;
