//! A file of lines that may be rotated: it is opened again under its path.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use arc_swap::{ArcSwap, ArcSwapOption};
use rustix::fs::Access;

use super::counted::Counted;
use crate::reload::Reloaded;

/// The mode of a new file: names of tokens and nodes are for its owner and the group.
const MODE: u32 = 0o640;

/// A file at a path, which is another one once it was opened again. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct RotatedFile {
    path: PathBuf,
    now: Arc<ArcSwap<File>>,
    failure: Arc<ArcSwapOption<String>>,
}

/// The writer of lines into the file that is open now.
#[derive(Debug)]
pub(super) struct Lines {
    file: RotatedFile,
    now: Arc<File>,
    lines: Counted<Arc<File>>,
}

impl RotatedFile {
    /// Opens a file for appending, which is created where it is missing.
    ///
    /// # Errors
    ///
    /// The file cannot be opened for writing.
    pub(super) fn open(path: &Path) -> Result<Self> {
        Ok(Self {
            path: path.to_path_buf(),
            now: Arc::new(ArcSwap::from_pointee(open(path)?)),
            failure: Arc::default(),
        })
    }

    /// Opens the path again: after a rotation it is another file, which is created where it is missing.
    ///
    /// # Errors
    ///
    /// The path cannot be opened for writing. The former file stays open.
    pub(crate) fn reopen(&self) -> Result<Reloaded> {
        let file = open(&self.path)?;
        let id = |file: &File| file.metadata().map(|found| (found.dev(), found.ino()));
        let detail = self.path.display().to_string();
        if id(&file)? == id(&self.now.load())? {
            return Ok(Reloaded::Unchanged(detail));
        }
        self.now.store(Arc::new(file));
        self.failure.store(None);
        Ok(Reloaded::Changed(detail))
    }

    /// Returns the path, and the error of the last line where it was not written.
    pub(crate) fn failure(&self) -> Option<(&Path, Arc<String>)> {
        Some((&self.path, self.failure.load_full()?))
    }

    /// Returns the writer of lines behind the end of the file.
    pub(super) fn lines(self) -> Lines {
        let now = self.now.load_full();
        Lines {
            lines: behind_end(&now),
            now,
            file: self,
        }
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let now = self.file.now.load_full();
        if !Arc::ptr_eq(&now, &self.now) {
            self.lines = behind_end(&now);
            self.now = now;
        }
        let written = self.lines.write(line);
        let failure = written.as_ref().err().map(ToString::to_string);
        self.file.failure.store(failure.map(Arc::new));
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lines.flush()
    }
}

/// Checks that a file can be opened, without creating it.
///
/// # Errors
///
/// [`RotatedFile::open`] would fail too.
pub(super) fn look(path: &Path) -> Result<()> {
    check_kind(path)?;
    if path.exists() {
        let opened = File::options().read(true).append(true).open(path);
        return opened.map(drop).with_context(|| unusable(path));
    }
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let folder = folder.unwrap_or(Path::new("."));
    rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK).with_context(|| unusable(path))
}

fn open(path: &Path) -> Result<File> {
    check_kind(path)?;
    let mut options = OpenOptions::new();
    let opened = options
        .read(true)
        .append(true)
        .create(true)
        .mode(MODE)
        .open(path);
    opened.with_context(|| unusable(path))
}

/// Returns a writer of lines behind the end of a file.
fn behind_end(file: &Arc<File>) -> Counted<Arc<File>> {
    match last_byte(file) {
        Some(last) => Counted::behind(file.clone(), last),
        None => Counted::new(file.clone()),
    }
}

/// Returns the last byte of a file, if it has one and can be read.
fn last_byte(file: &File) -> Option<u8> {
    let at = file.metadata().ok()?.len().checked_sub(1)?;
    let mut last = [0];
    file.read_exact_at(&mut last, at).ok()?;
    let [last] = last;
    Some(last)
}

/// Refuses a pipe: opening one waits for its reader.
fn check_kind(path: &Path) -> Result<()> {
    let is_pipe = path
        .metadata()
        .is_ok_and(|metadata| metadata.file_type().is_fifo());
    ensure!(!is_pipe, "{}: it is a pipe", unusable(path));
    Ok(())
}

fn unusable(path: &Path) -> String {
    format!("the audit file {} cannot be written", path.display())
}
