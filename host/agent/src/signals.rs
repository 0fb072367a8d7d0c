//! Signals and standard input of the process.
//!
//! The first SIGINT or SIGTERM requests an orderly shutdown, the second exits at once. An agent with
//! `--end-with-stdin` also exits when its standard input closes.

use std::io;
use std::thread;

use tokio::signal::unix::{SignalKind, signal};

use super::shutdown::{Shutdown, ShutdownMode};

/// The exit status for a signal, as shells report it: 128 plus the signal's number.
const STATUS_BASE: i32 = 128;
/// The exit status after standard input has closed.
const STATUS_ORPHANED: i32 = 1;

/// Exits the process when its standard input closes. The parent process holds the other end, which the system closes
/// even if the parent is killed.
///
/// Uses a thread of its own: a blocked thread of the runtime would delay a shutdown.
pub(super) fn exit_with_stdin() -> io::Result<()> {
    let wait = || {
        // An error exits as well: the parent can no longer be watched.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        std::process::exit(STATUS_ORPHANED);
    };
    thread::Builder::new()
        .name("edge-stdin".into())
        .spawn(wait)
        .map(drop)
}

/// Listens for SIGINT and SIGTERM: the first requests a shutdown, the second exits at once.
pub(super) fn stop_at_signals(shutdown: &Shutdown) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = shutdown.clone();
    shutdown.spawn("the listener for signals", async move {
        loop {
            let kind = tokio::select! {
                _ = interrupt.recv() => SignalKind::interrupt(),
                _ = terminate.recv() => SignalKind::terminate(),
            };
            if stop.request(ShutdownMode::Stop) {
                std::process::exit(STATUS_BASE.saturating_add(kind.as_raw_value()));
            }
            tracing::info!("stopping; a second signal exits at once");
        }
    });
    Ok(())
}
