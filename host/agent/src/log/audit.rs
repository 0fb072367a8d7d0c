//! The audit lines in a file of their own: an object of JSON a line, whatever the log's format and filter are.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use rustix::fs::Access;
use tracing::{Level, Metadata, Subscriber};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::counted::Counted;
use edge_cache_host::AUDIT_TARGET;

/// The most audit lines that wait for the disk: those of a list of the most nodes. Further lines are dropped and counted.
pub const AUDIT_LINES_MAX: usize = 65_536;
/// The mode of a new file: names of tokens and nodes are for its owner and the group.
const MODE: u32 = 0o640;

static WRITER: OnceLock<NonBlocking> = OnceLock::new();

/// The open audit file. Lines that still wait are written when this is dropped.
#[derive(Debug)]
pub(crate) struct AuditFile {
    _guard: WorkerGuard,
}

impl AuditFile {
    /// Opens the file, which is created where it is missing, and writes the audit lines of this process behind its end.
    ///
    /// # Errors
    ///
    /// The file cannot be opened for writing.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        check_kind(path)?;
        let mut options = OpenOptions::new();
        let opened = options.append(true).create(true).mode(MODE).open(path);
        let file = opened.with_context(|| unusable(path))?;
        let builder = NonBlockingBuilder::default().buffered_lines_limit(AUDIT_LINES_MAX);
        let (writer, guard) = builder.lossy(true).finish(Counted(file));
        // A second agent of the process writes to the file of the first.
        let _ = WRITER.set(writer);
        Ok(Self { _guard: guard })
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
