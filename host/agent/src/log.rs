//! The log of the process on standard error, and its audit lines, in a file too.
//!
//! A thread for each output writes the lines: a reader that stalls, or a full disk, costs lines, which are counted, and
//! never stops the agent.

mod audit;
mod counted;
mod rotated;

use std::io::{self, Write};
use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use self::counted::Counted;
use crate::reload::Reloaded;
use crate::screen;
use crate::settings::LogFormat;
use edge_cache_core::text;

pub use self::audit::AUDIT_LINES_MAX;
pub(crate) use self::audit::AuditFile;
pub(crate) use self::rotated::RotatedFile;

/// The most lines that wait for the reader of the log; further lines are dropped and counted.
pub const LINES_MAX: usize = 4_096;

#[cfg(test)]
mod tests;

/// Filters of chitchat, which logs a line for each wrong datagram of a peer. An operator's filter for the same target
/// takes precedence.
const QUIET: &str = "chitchat::state=error,chitchat::transport=error";
/// The targets of this program. A filter by a level alone makes only these more verbose than `info`.
const OWN: &str = "edge_cache";
/// The longest filter in a report, in bytes.
const LEVEL_BYTES_MAX: usize = 256;

static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// The running log. Lines that still wait are written when this is dropped, for at most about a second.
#[derive(Debug)]
pub struct Log {
    writer: NonBlocking,
    filter: LogFilter,
    _guard: WorkerGuard,
}

/// The filter of a running log. Clones share it.
#[derive(Debug, Clone)]
pub struct LogFilter(reload::Handle<EnvFilter, Registry>);

/// Starts logging with a format and a filter. With JSON every line is an object, including those of panics.
#[must_use]
pub fn init(format: LogFormat, level: &str) -> Log {
    let builder = NonBlockingBuilder::default().buffered_lines_limit(LINES_MAX);
    let (writer, guard) = builder.lossy(true).finish(Counted::new(io::stderr()));
    // A second log of the process is counted with the first.
    let _ = DROPPED.set(writer.error_counter());
    let log = fmt::layer()
        .with_writer(writer.clone())
        // A closed standard error would cause a panic: the reader of the log could stop the agent.
        .log_internal_errors(false);
    let log = match format {
        LogFormat::Text => log.with_ansi(screen::has_colours(&io::stderr())).boxed(),
        LogFormat::Json => log.json().flatten_event(true).boxed(),
    };
    let (filter, handle) = reload::Layer::new(filter(level));
    tracing_subscriber::registry()
        .with(log.with_filter(filter))
        .with(audit::layer())
        .init();
    // The default hook writes to standard error itself, and waits for its reader.
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(tracing::field::display);
        tracing::error!(location, "{panic}");
    }));
    Log {
        writer,
        filter: LogFilter(handle),
        _guard: guard,
    }
}

impl LogFilter {
    /// Replaces the filter, from the next line on.
    ///
    /// # Errors
    ///
    /// The log has ended.
    pub(crate) fn replace(&self, level: &str) -> Result<Reloaded, reload::Error> {
        let filter = filter(level);
        let (former, new) = (
            self.0.with_current(ToString::to_string)?,
            filter.to_string(),
        );
        let shown = format!("`{}`", text::clean(level, LEVEL_BYTES_MAX));
        if former == new {
            return Ok(Reloaded::Unchanged(shown));
        }
        self.0.reload(filter)?;
        follow_level();
        Ok(Reloaded::Changed(shown))
    }
}

impl Log {
    /// Returns the filter.
    #[must_use]
    pub fn filter(&self) -> LogFilter {
        self.filter.clone()
    }

    /// Writes a line as it is.
    pub fn print(&mut self, line: &str) {
        // A line too many is counted.
        let _ = self.writer.write_all(format!("{line}\n").as_bytes());
    }
}

/// Lets the libraries that log by `log` make the lines that the filters may want, and no others.
fn follow_level() {
    let level = LevelFilter::current().to_string();
    if let Ok(level) = level.parse() {
        ::log::set_max_level(level);
    }
}

/// Returns the number of lines of the log and the audit file that were lost: their reader was too slow, or writing
/// failed.
pub(crate) fn dropped_lines() -> usize {
    let waiting = DROPPED.get().map_or(0, ErrorCounter::dropped_lines);
    waiting
        .saturating_add(audit::dropped_lines())
        .saturating_add(counted::failed_writes())
}

/// Parses a filter. Without a level for all targets it is `info`: a misspelt target must not switch the log off. A level
/// below `info` for all targets is for this program's alone: the compiler and the libraries write thousands of lines.
fn filter(level: &str) -> EnvFilter {
    let directives: Vec<_> = level
        .split(',')
        .map(|directive| match directive.trim() {
            verbose if is_verbose(verbose) => format!("{OWN}={verbose}"),
            other => other.to_string(),
        })
        .collect();
    EnvFilter::builder().parse_lossy(format!("info,{QUIET},{}", directives.join(",")))
}

/// Tells whether a directive is a level alone, below `info`. The notation of levels has numbers too.
fn is_verbose(directive: &str) -> bool {
    directive
        .parse::<tracing::Level>()
        .is_ok_and(|level| level > tracing::Level::INFO)
}
