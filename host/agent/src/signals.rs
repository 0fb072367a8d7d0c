//! What an agent is told from outside.
//!
//! SIGINT and SIGTERM: the first stops it in order, the second at once. SIGHUP: it reads its files
//! again. An agent that was started for the
//! sake of another process also ends with that process.

use std::io;
use std::thread;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::stop::{Ending, Stop};

/// What a shell reports for a process that a signal ended: 128 and the signal's number.
const STATUS_BASE: i32 = 128;
/// The status of an agent whose owner has gone; nobody is left to read it.
const STATUS_ORPHANED: i32 = 1;

/// Ends the process at once when its standard input does. The other side is held by the process that it
/// belongs to, and the system lets go of it however that one ends: killed, too.
///
/// A thread of its own waits: one of the runtime's would hold up an end in order.
pub(super) fn end_with_stdin() -> io::Result<()> {
    let wait = || {
        // An error ends it as well: who can't be watched can't be outlived.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        std::process::exit(STATUS_ORPHANED);
    };
    thread::Builder::new()
        .name("edge-stdin".into())
        .spawn(wait)
        .map(drop)
}

/// Listens for signals from now on: the first one asks for the end, one after that ends the process at once.
pub(super) fn stop_at_signals(stop: Stop) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        loop {
            let kind = tokio::select! {
                _ = interrupt.recv() => SignalKind::interrupt(),
                _ = terminate.recv() => SignalKind::terminate(),
            };
            if stop.ask(Ending::Stop) {
                std::process::exit(STATUS_BASE.saturating_add(kind.as_raw_value()));
            }
            tracing::info!("stopping; a second signal ends the agent at once");
        }
    });
    Ok(())
}

/// SIGHUPs, none of which ends the process once this is there.
#[derive(Debug)]
pub(super) struct Hangups(Signal);

impl Hangups {
    /// Listens from now on.
    pub(super) fn listen() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Calls `reload` at every one, also for those that have come already.
    pub(super) fn call(mut self, reload: impl Fn() + Send + 'static) {
        tokio::spawn(async move {
            while self.0.recv().await.is_some() {
                reload();
            }
        });
    }
}
