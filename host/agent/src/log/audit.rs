//! The audit lines in a file of their own: an object of JSON a line, whatever the log's format and filter are.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, ensure};
use arc_swap::ArcSwap;
use rustix::fs::Access;
use tracing::{Level, Metadata, Subscriber};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::counted::Counted;
use crate::reload::Reloaded;
use edge_cache_host::AUDIT_TARGET;

/// The most audit lines that wait for the disk: those of a list of the most nodes. Further lines are dropped and counted.
pub const AUDIT_LINES_MAX: usize = 65_536;
/// The mode of a new file: names of tokens and nodes are for its owner and the group.
const MODE: u32 = 0o640;

static WRITER: OnceLock<NonBlocking> = OnceLock::new();

/// The audit file of an agent. Lines that still wait are written when this is dropped.
#[derive(Debug)]
pub(crate) struct AuditFile {
    file: OpenFile,
    _guard: WorkerGuard,
}

/// A file at a path, which is another one once it was opened again. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct OpenFile {
    path: PathBuf,
    now: Arc<ArcSwap<File>>,
}

/// The writer of lines into the file that is open now.
struct Lines {
    file: OpenFile,
    now: Counted<Arc<File>>,
}

impl AuditFile {
    /// Opens the file, which is created where it is missing, and writes the audit lines of this process behind its end.
    ///
    /// # Errors
    ///
    /// The file cannot be opened for writing.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let now = Arc::new(ArcSwap::from_pointee(open(path)?));
        let path = path.to_path_buf();
        let file = OpenFile { path, now };
        let builder = NonBlockingBuilder::default().buffered_lines_limit(AUDIT_LINES_MAX);
        let (writer, guard) = builder.lossy(true).finish(Lines::of(file.clone()));
        // A second agent of the process writes to the file of the first.
        let _ = WRITER.set(writer);
        Ok(Self {
            file,
            _guard: guard,
        })
    }

    /// Returns the open file.
    pub(crate) fn file(&self) -> OpenFile {
        self.file.clone()
    }

    /// Checks that the file can be opened, without creating it.
    ///
    /// # Errors
    ///
    /// [`AuditFile::open`] would fail too.
    pub(crate) fn look(path: &Path) -> Result<()> {
        check_kind(path)?;
        if path.exists() {
            let opened = File::options().append(true).open(path);
            return opened.map(drop).with_context(|| unusable(path));
        }
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        let folder = folder.unwrap_or(Path::new("."));
        rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK)
            .with_context(|| unusable(path))
    }
}

impl OpenFile {
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
        Ok(Reloaded::Changed(detail))
    }
}

impl Lines {
    fn of(file: OpenFile) -> Self {
        let now = Counted::new(file.now.load_full());
        Self { file, now }
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let now = self.file.now.load_full();
        if !Arc::ptr_eq(&now, &self.now.inner) {
            self.now = Counted::new(now);
        }
        self.now.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.now.flush()
    }
}

fn open(path: &Path) -> Result<File> {
    check_kind(path)?;
    let mut options = OpenOptions::new();
    let opened = options.append(true).create(true).mode(MODE).open(path);
    opened.with_context(|| unusable(path))
}

/// Refuses a pipe: opening one waits for its reader.
fn check_kind(path: &Path) -> Result<()> {
    let is_pipe = path
        .metadata()
        .is_ok_and(|metadata| metadata.file_type().is_fifo());
    ensure!(!is_pipe, "{}: it is a pipe", unusable(path));
    Ok(())
}

/// Returns the layer that writes audit lines once a file is open.
pub(super) fn layer<S>() -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_writer(writer)
        .log_internal_errors(false)
        .with_filter(filter_fn(is_audited))
}

pub(super) fn dropped_lines() -> usize {
    WRITER
        .get()
        .map_or(0, |writer| writer.error_counter().dropped_lines())
}

/// Audit lines, and the spans of requests, which name the callers.
fn is_audited(metadata: &Metadata<'_>) -> bool {
    metadata.target() == AUDIT_TARGET || (metadata.is_span() && *metadata.level() == Level::ERROR)
}

fn writer() -> Box<dyn Write> {
    match WRITER.get() {
        Some(writer) => Box::new(writer.clone()),
        None => Box::new(io::sink()),
    }
}

fn unusable(path: &Path) -> String {
    format!("the audit file {} cannot be written", path.display())
}
