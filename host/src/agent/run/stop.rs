//! Serving until a signal, and the end in order: each step within what is left of the bound.
//!
//! First the agent is not ready, so that nothing new is sent to it. Then the writer makes the changes that
//! wait and takes no more: what is acknowledged must still travel, and the leave carries it. Then peers are
//! told, and route elsewhere while the last requests are answered.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::{Agent, RunError, system};
use crate::agent::cli::RunArgs;
use crate::agent::http;
use crate::agent::signals::Stop;
use crate::agent::systemd::Systemd;

impl Agent {
    /// Serves until the first signal, and takes the agent apart.
    pub(super) async fn serve(
        self,
        args: &RunArgs,
        stop: Stop,
        systemd: Systemd,
    ) -> Result<(), RunError> {
        let Self { http, state } = self;
        let drain = Arc::new(Notify::new());
        let draining = drain.clone();
        let mut serving = tokio::spawn(http::serve(http, state.clone(), async move {
            draining.notified().await;
        }));
        systemd.ready();
        systemd.watch(state.clone());
        stop.wait().await;

        let mut ending = Ending::begin(args.shutdown_timeout);
        state.stopping.store(true, Ordering::Release);
        systemd.stopping();
        ending
            .step("the registry's writer", state.registry.shutdown())
            .await;
        if let Some(gossip) = &state.gossip
            && args.leave_on_terminate
        {
            ending.step("leaving the cluster", gossip.leave()).await;
        }
        drain.notify_one();
        let served = ending.step("requests under way", &mut serving).await;
        if let Some(gossip) = &state.gossip {
            ending.step("gossip", gossip.shutdown()).await;
        }
        match served {
            Some(Ok(served)) => served.map_err(system("serve HTTP"))?,
            Some(Err(error)) => {
                return Err(system("serve HTTP")(std::io::Error::other(error)));
            }
            None => serving.abort(),
        }
        ending.end()
    }
}

/// A stop that is under way.
struct Ending {
    bound: Duration,
    deadline: Instant,
    cut_off: Vec<&'static str>,
}

impl Ending {
    fn begin(bound: Duration) -> Self {
        let now = Instant::now();
        Self {
            bound,
            deadline: now.checked_add(bound).unwrap_or(now),
            cut_off: Vec::new(),
        }
    }

    /// Waits for a step as long as there is time. Without any, what is done at once is still done.
    async fn step<T>(&mut self, what: &'static str, step: impl Future<Output = T>) -> Option<T> {
        match timeout_at(self.deadline, step).await {
            Ok(done) => Some(done),
            Err(_) => {
                tracing::warn!(what, bound = ?self.bound, "cut off at the end");
                self.cut_off.push(what);
                None
            }
        }
    }

    fn end(self) -> Result<(), RunError> {
        if self.cut_off.is_empty() {
            tracing::info!("stopped");
            return Ok(());
        }
        Err(RunError::CutOff {
            what: self.cut_off,
            bound: self.bound,
        })
    }
}
