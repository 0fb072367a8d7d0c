//! Tells a service manager how the agent is doing, where one has asked for it.
//!
//! systemd names a datagram socket in `NOTIFY_SOCKET`. A thread of its own writes there, in order: a
//! service manager that does not read must not hold up the agent. Without the variable nothing happens.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

use super::http::AppState;
use edge_cache_core::text;

/// How often the status is looked at, where no watchdog asks for more.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The shortest time between two looks, whatever a watchdog asks for.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(10);
/// The longest status, in bytes.
const STATUS_BYTES_MAX: usize = 512;

/// The service manager, if there is one. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Systemd(Option<Sender<News>>);

#[derive(Debug)]
enum News {
    Ready,
    Reloading,
    Stopping,
    Alive,
    Status(String),
}

impl Systemd {
    /// The one that started this process.
    pub(super) fn find() -> io::Result<Self> {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Ok(Self(None));
        }
        let (sender, receiver) = mpsc::channel();
        thread::Builder::new()
            .name("edge-systemd".into())
            .spawn(move || write(&receiver))?;
        Ok(Self(Some(sender)))
    }

    /// The state is loaded, gossip is up, and requests are answered; also after each `reloading`.
    pub(super) fn ready(&self) {
        self.tell(News::Ready);
    }

    /// The agent's files are being read again.
    pub(super) fn reloading(&self) {
        self.tell(News::Reloading);
    }

    /// The agent is about to end.
    pub(super) fn stopping(&self) {
        self.tell(News::Stopping);
    }

    /// Shows from now on what readiness says, and feeds the watchdog as long as the agent lives.
    pub(super) fn watch(&self, state: AppState) {
        if self.0.is_none() {
            return;
        }
        let watchdog = sd_notify::watchdog_enabled();
        // Half of it, as sd_watchdog_enabled(3) has it: one that comes late is no end yet.
        let often = watchdog.map_or(LOOK_EVERY, |bound| {
            let half = bound.checked_div(2).unwrap_or(bound);
            half.clamp(LOOK_EVERY_MIN, LOOK_EVERY)
        });
        let systemd = self.clone();
        tokio::spawn(async move {
            let mut looks = interval(often);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut shown = None;
            loop {
                looks.tick().await;
                if watchdog.is_some() && state.dead().is_empty() {
                    systemd.tell(News::Alive);
                }
                let status = status(&state);
                if shown.as_ref() != Some(&status) {
                    systemd.tell(News::Status(status.clone()));
                    shown = Some(status);
                }
            }
        });
    }

    fn tell(&self, news: News) {
        if let Some(sender) = &self.0 {
            // The thread ends with the process only.
            let _ = sender.send(news);
        }
    }
}

fn status(state: &AppState) -> String {
    let reasons = state.unready();
    if reasons.is_empty() {
        return "ready".to_string();
    }
    text::clean(
        &format!("not ready: {}", reasons.join("; ")),
        STATUS_BYTES_MAX,
    )
}

fn write(news: &Receiver<News>) {
    let mut is_heard = true;
    while let Ok(news) = news.recv() {
        let written = match &news {
            News::Ready => sd_notify::notify(&[NotifyState::Ready]),
            // systemd tells by the time that this answers its latest signal.
            News::Reloading => NotifyState::monotonic_usec_now()
                .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now])),
            News::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
            News::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
            News::Status(status) => sd_notify::notify(&[NotifyState::Status(status)]),
        };
        if let Err(error) = &written
            && is_heard
        {
            tracing::warn!(%error, "NOTIFY_SOCKET takes no message");
        }
        is_heard = written.is_ok();
    }
}
