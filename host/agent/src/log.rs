//! The log of the process, on standard error.
//!
//! A thread of its own writes the lines: a reader that stalls costs lines, which are counted, and never stops the agent.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use crate::settings::LogFormat;

/// The most lines that wait for the reader of the log; further lines are dropped and counted.
pub const LINES_MAX: usize = 4_096;

#[cfg(test)]
mod tests;

/// Filters of chitchat, which logs a line for each wrong datagram of a peer. An operator's filter for the same target
/// takes precedence.
const QUIET: &str = "chitchat::state=error,chitchat::transport=error";

static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// The running log. Lines that still wait are written when this is dropped, for at most about a second.
#[derive(Debug)]
pub struct Log {
    writer: NonBlocking,
    _guard: WorkerGuard,
}

/// Starts logging with a format and a filter. With JSON every line is an object, including those of panics.
#[must_use]
pub fn init(format: LogFormat, level: &str) -> Log {
    let builder = NonBlockingBuilder::default().buffered_lines_limit(LINES_MAX);
    let (writer, guard) = builder.lossy(true).finish(io::stderr());
    // A second log of the process is counted with the first.
    let _ = DROPPED.set(writer.error_counter());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter(level))
        .with_writer(writer.clone())
        // A closed standard error would cause a panic: the reader of the log could stop the agent.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    // The default hook writes to standard error itself, and waits for its reader.
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(tracing::field::display);
        tracing::error!(location, "{panic}");
    }));
    Log {
        writer,
        _guard: guard,
    }
}

impl Log {
    /// Writes a line as it is.
    pub fn print(&mut self, line: &str) {
        // A line too many is counted.
        let _ = self.writer.write_all(format!("{line}\n").as_bytes());
    }
}

/// Returns the number of lines that were dropped because the reader of the log was too slow.
pub(crate) fn dropped_lines() -> usize {
    DROPPED.get().map_or(0, ErrorCounter::dropped_lines)
}

/// Parses a filter. Without a level for all targets it is `info`: a misspelt target must not switch the log off.
fn filter(level: &str) -> EnvFilter {
    EnvFilter::builder().parse_lossy(format!("info,{QUIET},{level}"))
}
