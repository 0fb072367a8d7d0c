//! What the process writes on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use super::cli::LogFormat;

/// Writes from now on, in this format and the lines that this filter lets through.
///
/// With JSON every line is one object, a panic's too.
pub fn init(format: LogFormat, level: &str) {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .parse_lossy(level);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // It would say so on standard error, and panic where that is what has gone: whoever reads the log
        // would take the agent down by leaving.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => {
            log.json().flatten_event(true).init();
            std::panic::set_hook(Box::new(|panic| {
                tracing::error!(place = ?panic.location(), "{panic}");
            }));
        }
    }
}
