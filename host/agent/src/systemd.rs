//! Notifications to systemd.
//!
//! systemd names a datagram socket in `NOTIFY_SOCKET`. A thread of its own writes to it, so that a service manager that
//! does not read cannot block the agent. Without the variable nothing is sent.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

use crate::http::AppState;
use crate::shutdown::Shutdown;
use edge_cache_api::Health;
use edge_cache_core::text;

/// The time between two looks at the status, unless a watchdog needs more.
const INTERVAL: Duration = Duration::from_secs(2);
/// The shortest time between two looks, for any watchdog.
const INTERVAL_MIN: Duration = Duration::from_millis(10);
const STATUS_BYTES_MAX: usize = 512;

/// The connection to systemd, if it started the process. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Systemd(Option<Sender<Notification>>);

/// A message to systemd.
#[derive(Debug)]
pub(super) enum Notification {
    /// The agent serves requests; also after each `Reloading`.
    Ready,
    Reloading,
    Stopping,
    Alive,
    Status(String),
}

impl Systemd {
    /// Reads `NOTIFY_SOCKET`.
    pub(super) fn from_env() -> io::Result<Self> {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Ok(Self(None));
        }
        let (sender, receiver) = mpsc::channel();
        thread::Builder::new()
            .name("edge-systemd".into())
            .spawn(move || write(&receiver))?;
        Ok(Self(Some(sender)))
    }

    /// Starts to observe the readiness: its changes are logged, sent as events and told to systemd. Feeds the watchdog
    /// while the agent is live.
    pub(super) fn watch(&self, state: AppState, shutdown: &Shutdown) {
        let watchdog = sd_notify::watchdog_enabled();
        // Half of the watchdog's time, as sd_watchdog_enabled(3) recommends.
        let period = watchdog.map_or(INTERVAL, |bound| {
            let half = bound.checked_div(2).unwrap_or(bound);
            half.clamp(INTERVAL_MIN, INTERVAL)
        });
        let systemd = self.clone();
        let stop = shutdown.clone();
        shutdown.spawn("the watch of readiness", async move {
            let mut looks = interval(period);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut shown = None;
            let mut logged = None;
            loop {
                looks.tick().await;
                if watchdog.is_some() && state.dead().is_empty() {
                    systemd.send(Notification::Alive);
                }
                let health = state.observe_readiness();
                let status = status(&health);
                // Numbers in a text that is logged already may change all the time.
                let kind = Some(status.replace(|char: char| char.is_ascii_digit(), ""));
                if logged != kind && stop.requested().is_none() {
                    if health.ok && health.warnings.is_empty() {
                        tracing::info!("{status}");
                    } else {
                        tracing::warn!("{status}");
                    }
                    logged = kind;
                }
                if shown.as_ref() != Some(&status) {
                    systemd.send(Notification::Status(status.clone()));
                    shown = Some(status);
                }
            }
        });
    }

    /// Sends a notification, in the order of the calls.
    pub(super) fn send(&self, notification: Notification) {
        if let Some(sender) = &self.0 {
            // The thread never ends before the process.
            let _ = sender.send(notification);
        }
    }
}

/// Describes the readiness in one line.
fn status(health: &Health) -> String {
    let (reasons, warnings) = (health.reasons.join("; "), health.warnings.join("; "));
    let text = match (health.ok, warnings.is_empty()) {
        (true, true) => "ready".to_string(),
        (true, false) => format!("ready, but {warnings}"),
        (false, true) => format!("not ready: {reasons}"),
        (false, false) => format!("not ready: {reasons}; besides {warnings}"),
    };
    text::clean(&text, STATUS_BYTES_MAX)
}

fn write(notifications: &Receiver<Notification>) {
    let mut is_received = true;
    while let Ok(notification) = notifications.recv() {
        let written = match &notification {
            Notification::Ready => sd_notify::notify(&[NotifyState::Ready]),
            // By the time systemd matches this message to its latest signal.
            Notification::Reloading => NotifyState::monotonic_usec_now()
                .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now])),
            Notification::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
            Notification::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
            Notification::Status(status) => sd_notify::notify(&[NotifyState::Status(status)]),
        };
        if let Err(error) = &written
            && is_received
        {
            tracing::warn!(%error, "cannot write to NOTIFY_SOCKET");
        }
        is_received = written.is_ok();
    }
}
