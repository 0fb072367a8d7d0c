//! The task that owns the chitchat member from its start to its end.
//!
//! chitchat's handle keeps answering from a frozen view when its server has died, so somebody must
//! watch the server. This task does, and lets everything that lives on the member live inside it:
//! when it ends, for whatever reason, nothing of the pool runs on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chitchat::{ChitchatConfig, ChitchatHandle, spawn_chitchat};
use tokio::sync::watch;
use tokio::time;
use tracing::{error, info, warn};

use super::GossipError;
use super::announce::Announcer;
use super::topology::Topology;
use super::transport::OpenTransport;

/// How long the server may take to stop before it is aborted. It stops between two datagrams.
const STOP_MAX: Duration = Duration::from_secs(2);

/// A chitchat member and those who live on it.
pub(super) struct Member {
    handle: ChitchatHandle,
    announcer: Announcer,
    topology: Topology,
    signals: Signals,
}

/// How the task and the pool's handles know of each other.
#[derive(Debug)]
pub(super) struct Signals {
    /// A value, or the end of the sender, asks the task to stop.
    pub(super) stop: watch::Receiver<()>,
    /// False once the server is known to have ended.
    pub(super) running: Running,
    /// Dropped when the socket is closed and nothing runs any more.
    pub(super) ended: watch::Sender<()>,
}

/// Says that the member runs, and takes it back when the task ends in any way, a panic included.
#[derive(Debug)]
pub(super) struct Running(pub(super) Arc<AtomicBool>);

/// Why the task's work ended.
enum End {
    Asked,
    Died(Result<(), String>),
}

impl Member {
    /// Starts chitchat on an open socket.
    pub(super) async fn start(
        config: ChitchatConfig,
        transport: OpenTransport,
        announcer: Announcer,
        topology: Topology,
        signals: Signals,
    ) -> Result<Self, GossipError> {
        let handle = spawn_chitchat(config, vec![announcer.first()], &transport)
            .await
            .map_err(|error| GossipError::Start {
                source: error.into(),
            })?;
        Ok(Self {
            handle,
            announcer,
            topology,
            signals,
        })
    }

    /// Works until somebody asks to stop or the server dies, and closes the socket.
    pub(super) async fn run(mut self) {
        let end = self.work().await;
        self.signals.running.0.store(false, Ordering::Release);
        match end {
            End::Asked => info!("gossip is stopping"),
            End::Died(Ok(())) => error!("the gossip server ended by itself"),
            End::Died(Err(reason)) => error!(reason, "the gossip server died"),
        }
        let Self {
            handle,
            announcer,
            topology,
            signals,
        } = self;
        // Whoever follows or waits learns of the end from these, before the wait for the server.
        drop((announcer, topology));
        stop_server(handle).await;
        drop(signals.ended);
    }

    async fn work(&mut self) -> End {
        let chitchat = self.handle.chitchat();
        let server = self.handle.termination_watcher();
        tokio::select! {
            _ = self.signals.stop.changed() => End::Asked,
            end = server => End::Died(end.map_err(|error| error.to_string())),
            () = self.announcer.run(&chitchat) => End::Asked,
            () = self.topology.run(&chitchat) => End::Died(Ok(())),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Stops the server and waits until its socket is closed.
async fn stop_server(handle: ChitchatHandle) {
    // Fails if the server has ended already.
    let _ = handle.initiate_shutdown();
    if time::timeout(STOP_MAX, handle.termination_watcher())
        .await
        .is_err()
    {
        warn!("the gossip server does not stop, aborting it");
        handle.abort();
    }
    // Why the server ended was logged before.
    let _ = handle.shutdown().await;
}
