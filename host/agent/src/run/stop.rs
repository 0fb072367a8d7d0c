//! Serving until a signal, and the end in order: each step within what is left of the bound.
//!
//! First the agent is not ready, so that nothing new is sent to it. Then the writer makes the changes that
//! wait and takes no more: what is acknowledged must still travel, and the leave carries it. Then peers are
//! told, and route elsewhere while the last requests are answered.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::{Agent, RunError, system};
use crate::cli::RunArgs;
use crate::http::AppState;
use crate::stop::{Ending as Asked, Stop};
use crate::systemd::Systemd;

impl Agent {
    /// Serves until the first signal, and takes the agent apart.
    pub(super) async fn serve(
        self,
        args: &RunArgs,
        stop: Stop,
        systemd: Systemd,
    ) -> Result<(), RunError> {
        let Self {
            api,
            registry,
            gossip,
            plugins,
        } = self;
        let state = AppState::new(registry.clone(), gossip.clone(), plugins, stop.clone());
        let drain = Arc::new(Notify::new());
        let draining = drain.clone();
        let mut serving = tokio::spawn(api.serve(state.clone(), async move {
            draining.notified().await;
        }));
        systemd.ready();
        systemd.watch(state.clone());
        stop.clone().wait().await;

        let mut ending = Ending::begin(args.shutdown_timeout);
        systemd.stopping();
        // A component that hangs must not keep the agent from telling its peers.
        let half = ending.half;
        let writer = registry.shutdown();
        ending.step("the registry's writer", half, writer).await;
        let whole = ending.whole;
        if let Some(gossip) = &gossip {
            let leave = async {
                if args.leave_on_terminate || stop.asked() == Some(Asked::Leave) {
                    gossip.leave().await;
                } else {
                    gossip.shutdown().await;
                }
            };
            ending.step("gossip", whole, leave).await;
        }
        drain.notify_one();
        let served = ending.step("requests under way", whole, &mut serving).await;
        match served {
            Some(Ok(())) => {}
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
    /// When the first half of the bound is over.
    half: Instant,
    /// When all of it is.
    whole: Instant,
    cut_off: Vec<&'static str>,
}

impl Ending {
    fn begin(bound: Duration) -> Self {
        let now = Instant::now();
        Self {
            bound,
            half: bound
                .checked_div(2)
                .and_then(|half| now.checked_add(half))
                .unwrap_or(now),
            whole: now.checked_add(bound).unwrap_or(now),
            cut_off: Vec::new(),
        }
    }

    /// Waits for a step as long as there is time. Without any, what is done at once is still done.
    async fn step<T>(
        &mut self,
        what: &'static str,
        until: Instant,
        step: impl Future<Output = T>,
    ) -> Option<T> {
        match timeout_at(until, step).await {
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
