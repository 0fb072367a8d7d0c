//! The audit lines in a file of their own: an object of JSON a line, whatever the log's format and filter are.

use std::io::{self, Write};
use std::path::Path;
use std::sync::OnceLock;

use anyhow::Result;
use tracing::{Level, Metadata, Subscriber};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::rotated::{self, RotatedFile};
use edge_cache_host::AUDIT_TARGET;

/// The most audit lines that wait for the disk: those of a list of the most nodes. Further lines are dropped and counted.
pub const AUDIT_LINES_MAX: usize = 65_536;

static WRITER: OnceLock<NonBlocking> = OnceLock::new();

/// The audit file of an agent. Lines that still wait are written when this is dropped.
#[derive(Debug)]
pub(crate) struct AuditFile {
    file: RotatedFile,
    _guard: WorkerGuard,
}

impl AuditFile {
    /// Opens the file, which is created where it is missing, and writes the audit lines of this process behind its end.
    ///
    /// # Errors
    ///
    /// The file cannot be opened for writing.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = RotatedFile::open(path)?;
        let builder = NonBlockingBuilder::default().buffered_lines_limit(AUDIT_LINES_MAX);
        let (writer, guard) = builder.lossy(true).finish(file.clone().lines());
        // A second agent of the process writes to the file of the first.
        let _ = WRITER.set(writer);
        Ok(Self {
            file,
            _guard: guard,
        })
    }

    /// Checks that the file can be opened, without creating it.
    ///
    /// # Errors
    ///
    /// [`AuditFile::open`] would fail too.
    pub(crate) fn look(path: &Path) -> Result<()> {
        rotated::look(path)
    }

    /// Returns the file, which a reload opens again.
    pub(crate) fn file(&self) -> RotatedFile {
        self.file.clone()
    }
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
        // Without a hint the lines that a compiler traces would come to all filters.
        .with_filter(filter_fn(is_audited).with_max_level_hint(LevelFilter::INFO))
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
