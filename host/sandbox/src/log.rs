//! The log of a plugin, with limits on the length and the rate of lines.
//!
//! A line goes to the log of the process under the target `edge_cache::plugin`, and into a ring of the latest
//! lines. Lines beyond the rate are dropped and counted; the next accepted line logs their number.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use edge_cache_core::{Limits, LogLevel, text};

/// Largest number of lines that [`GuestLog::latest`] returns.
pub const LINES_KEPT: usize = 256;

/// Largest number of log lines in a failure: a panic of Go prints its message before a stack trace.
const FAILURE_LINES_MAX: usize = 16;
/// Longest kept part of a log line in a failure, in bytes.
const FAILURE_LINE_BYTES_MAX: usize = 256;
const RATE_WINDOW: Duration = Duration::from_secs(1);

/// A log line of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Time at which the host accepted the line.
    pub at: SystemTime,
    /// Level.
    pub level: LogLevel,
    /// Part of the plugin that wrote the line.
    pub context: String,
    /// Text.
    pub message: String,
}

/// Log of a plugin, shared by all its instances.
#[derive(Debug)]
pub struct GuestLog {
    pub(crate) line_bytes_max: usize,
    lines_per_second: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    window_start: Instant,
    in_window: usize,
    dropped: u64,
    dropped_total: u64,
    kept_total: u64,
    latest: VecDeque<LogLine>,
}

impl GuestLog {
    /// Makes an empty log.
    pub fn new(limits: &Limits) -> Self {
        Self {
            line_bytes_max: limits.log_line_bytes,
            lines_per_second: limits.log_lines_per_second,
            inner: Mutex::new(Inner {
                window_start: Instant::now(),
                in_window: 0,
                dropped: 0,
                dropped_total: 0,
                kept_total: 0,
                latest: VecDeque::new(),
            }),
        }
    }

    /// Returns the latest lines, oldest first, at most [`LINES_KEPT`].
    pub fn latest(&self) -> Vec<LogLine> {
        self.lock().latest.iter().cloned().collect()
    }

    /// Returns the number of lines that were dropped by the limit `log_lines_per_second`.
    pub fn dropped_total(&self) -> u64 {
        self.lock().dropped_total
    }

    /// Returns the number of lines that were accepted, including those no longer in [`latest`](Self::latest).
    pub fn kept_total(&self) -> u64 {
        self.lock().kept_total
    }

    /// Accepts one line, or drops it if there were too many within the last second.
    pub(crate) fn write(&self, level: LogLevel, context: &str, message: &str) {
        let mut inner = self.lock();
        let now = Instant::now();
        if now.duration_since(inner.window_start) >= RATE_WINDOW {
            inner.window_start = now;
            inner.in_window = 0;
        }
        if inner.in_window >= self.lines_per_second {
            inner.dropped = inner.dropped.saturating_add(1);
            inner.dropped_total = inner.dropped_total.saturating_add(1);
            return;
        }
        inner.in_window = inner.in_window.saturating_add(1);
        inner.kept_total = inner.kept_total.saturating_add(1);
        let dropped = std::mem::take(&mut inner.dropped);
        if dropped > 0 {
            tracing::warn!(
                target: "edge_cache::plugin",
                dropped,
                limit = self.lines_per_second,
                "log lines of the plugin were dropped, the limit is `log_lines_per_second`"
            );
        }
        let line = LogLine {
            at: SystemTime::now(),
            level,
            context: text::clean(context, self.line_bytes_max),
            message: text::clean(message, self.line_bytes_max),
        };
        emit(&line);
        if inner.latest.len() >= LINES_KEPT {
            inner.latest.pop_front();
        }
        inner.latest.push_back(line);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic leaves the ring of lines intact.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The log as one instance writes it. Remembers the last lines of a call, for its failure.
#[derive(Debug)]
pub(crate) struct InstanceLog {
    pub(crate) log: Arc<GuestLog>,
    recent: Mutex<VecDeque<String>>,
}

impl InstanceLog {
    pub(crate) fn new(log: Arc<GuestLog>) -> Self {
        Self {
            log,
            recent: Mutex::default(),
        }
    }

    /// Writes one line. It is remembered also if the log drops it.
    pub(crate) fn write(&self, level: LogLevel, context: &str, message: &str) {
        let mut recent = self.lock();
        if recent.len() >= FAILURE_LINES_MAX {
            recent.pop_front();
        }
        recent.push_back(text::clean(message, FAILURE_LINE_BYTES_MAX));
        drop(recent);
        self.log.write(level, context, message);
    }

    /// Returns the last lines since the previous call of this function.
    pub(crate) fn take_recent(&self) -> Vec<String> {
        std::mem::take(&mut *self.lock()).into()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn emit(line: &LogLine) {
    macro_rules! event {
        ($level:ident) => {
            tracing::$level!(target: "edge_cache::plugin", context = line.context, "{}", line.message)
        };
    }
    match line.level {
        LogLevel::Trace => event!(trace),
        LogLevel::Debug => event!(debug),
        LogLevel::Info => event!(info),
        LogLevel::Warn => event!(warn),
        LogLevel::Error | LogLevel::Critical => event!(error),
    }
}
