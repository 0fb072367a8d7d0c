//! SIGINT and SIGTERM: the first stops the agent in order, the second at once.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// What a shell reports for a process that a signal ended: 128 and the signal's number.
const STATUS_BASE: i32 = 128;

/// Resolves at the first signal.
#[derive(Debug, Clone)]
pub(super) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens for signals from now on.
    pub(super) fn listen() -> io::Result<Self> {
        let (sender, receiver) = watch::channel(false);
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::spawn(async move {
            loop {
                let kind = tokio::select! {
                    _ = interrupt.recv() => SignalKind::interrupt(),
                    _ = terminate.recv() => SignalKind::terminate(),
                };
                if sender.send_replace(true) {
                    std::process::exit(STATUS_BASE.saturating_add(kind.as_raw_value()));
                }
                tracing::info!("stopping; a second signal ends the agent at once");
            }
        });
        Ok(Self(receiver))
    }

    pub(super) async fn wait(mut self) {
        // The sender lives as long as the process.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}
