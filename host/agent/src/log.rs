//! The log of the process, on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::settings::LogFormat;

/// Starts logging with a format and a filter. With JSON every line is an object, including those of panics.
pub fn init(format: LogFormat, level: &str) {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .parse_lossy(level);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // A closed standard error would cause a panic: the reader of the log could stop the agent.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => {
            log.json().flatten_event(true).init();
            std::panic::set_hook(Box::new(|panic| {
                let location = panic.location().map(tracing::field::display);
                tracing::error!(location, "{panic}");
            }));
        }
    }
}
