//! The member task: runs the gossip server, supervises it, and restarts it when it ends.
//!
//! chitchat's handle keeps answering from a frozen state when its server has ended, so the server
//! must be supervised. The record to announce and the view of the cluster outlive the server: a new
//! server starts with both, under a new generation, on the same port.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chitchat::{Chitchat, ChitchatHandle, ChitchatId, KeyChangeEvent, spawn_chitchat};
use edge_cache_core::PeerInfo;
use futures_util::FutureExt;
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::{self, Instant};
use tracing::{error, info, warn};

use crate::announce::Announcer;
use crate::config::GossipConfig;
use crate::error::GossipError;
use crate::inbox::{DECISION_PREFIX, Inbox};
use crate::lives::Lives;
use crate::membership::{Membership, ShutdownMode};
use crate::push::{Pusher, start_rounds};
use crate::reconnect::Reconnect;
use crate::topology::Topology;
use crate::transport::{BoundSocket, BoundTransport, GossipTransport, MemberContext};
use crate::validator::StateBudget;

/// Pause before the first restart. It doubles with each failure.
const RESTART_PAUSE_MIN: Duration = Duration::from_secs(1);
/// Maximum pause before a restart.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Minimum lifetime of a server that ends because another member impersonates this one. Peers believe
/// that member until the restart, and each life costs them memory.
const IMPERSONATED_AFTER: Duration = Duration::from_secs(4);
/// Lifetime of a server after which the pause is reset.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// Time after which a server that does not stop is aborted. It stops between two datagrams.
const STOP_MAX: Duration = Duration::from_secs(2);

/// Maximum number of peers that receive a leave. They pass it on to all others.
const LEAVE_PEERS_MAX: usize = 64;
/// Number of times that a leave is sent, because datagrams may be lost.
const LEAVE_ROUNDS: u32 = 2;
/// Pause after each of them. An exchange takes one and a half round trips.
const LEAVE_PAUSE: Duration = Duration::from_millis(150);

/// This node as a member. It outlives the servers that it starts.
pub(crate) struct MemberTask {
    pub(crate) config: GossipConfig,
    pub(crate) transport: Box<dyn GossipTransport>,
    pub(crate) listen: SocketAddr,
    pub(crate) advertise: SocketAddr,
    pub(crate) membership: Arc<Membership>,
    pub(crate) announcer: Announcer,
    pub(crate) topology: Topology,
    pub(crate) pusher: Pusher,
    pub(crate) reconnect: Reconnect,
    pub(crate) lives: Lives,
}

/// A running gossip server of one generation.
pub(crate) struct Server {
    handle: ChitchatHandle,
    /// Notified when another member impersonates this one.
    impersonated: Arc<Notify>,
    states: Arc<StateBudget>,
    started: Instant,
}

/// Notifications from chitchat's callbacks.
#[derive(Debug, Default)]
struct Wakeups {
    /// A node info was written or received.
    records: Arc<Notify>,
    /// A change should be pushed to peers.
    changes: Arc<Notify>,
}

/// The reason why the work on a server ended.
enum ServerExit {
    Shutdown,
    Failed(String),
    /// So many keys are empty that a new server costs less than they do.
    Renewed,
    /// Another member wrote state in this member's name. Peers believe it until this member has a
    /// new generation.
    Impersonated,
}

impl MemberTask {
    /// Starts a server under a new generation.
    pub(crate) async fn start_server(
        &self,
        socket: Box<dyn BoundSocket>,
    ) -> Result<Server, GossipError> {
        let generation = self.lives.begin().await?;
        let name = PeerInfo::key(self.config.self_info.node_id);
        let id = ChitchatId::new(name, generation, self.advertise);
        let impersonated = Arc::new(Notify::new());
        let states = Arc::new(StateBudget::new(self.config.state_bytes));
        let socket = socket.into_socket(MemberContext {
            id: id.clone(),
            metrics: Arc::clone(&self.membership.metrics),
            impersonated: Arc::clone(&impersonated),
            clock_off: Arc::clone(&self.membership.clock_off),
            refusals: Arc::clone(&self.membership.refusals),
            heard: Arc::clone(&self.membership.heard),
            states: Arc::clone(&states),
        });
        let transport = BoundTransport::new(socket);
        let first = self.announcer.first().into_iter().collect();
        let handle = spawn_chitchat(self.config.chitchat(id), first, &transport)
            .await
            .map_err(|error| GossipError::Start {
                source: error.into(),
            })?;
        self.membership.set_running(generation);
        Ok(Server {
            handle,
            impersonated,
            states,
            started: Instant::now(),
        })
    }

    /// Runs until shutdown, and closes the socket. `_ended` is dropped then.
    pub(crate) async fn run(
        mut self,
        server: Option<Server>,
        mut shutdown: watch::Receiver<Option<ShutdownMode>>,
        _ended: watch::Sender<()>,
    ) {
        let mut pause = Duration::ZERO;
        let server = match server {
            Some(server) => Some(server),
            None => tokio::select! {
                () = requested(&mut shutdown) => None,
                server = self.restart(&mut pause) => Some(server),
            },
        };
        let Some(mut server) = server else {
            return;
        };
        pause = RESTART_PAUSE_MIN;
        loop {
            let exit = self.work(&server, &mut shutdown).await;
            let mode = *shutdown.borrow();
            if matches!(exit, ServerExit::Shutdown) && mode == Some(ShutdownMode::Leave) {
                self.leave(&server, &mut shutdown).await;
            }
            // Whoever impersonates this member, or withdraws much, must not end its health checks too.
            let is_running = matches!(exit, ServerExit::Impersonated | ServerExit::Renewed);
            self.membership.running.store(is_running, Ordering::Release);
            let lifetime = server.started.elapsed();
            // A failed server must be stopped too: it may still hold the port.
            server.stop().await;
            if lifetime >= HEALTHY_AFTER {
                pause = RESTART_PAUSE_MIN;
            }
            match exit {
                ServerExit::Shutdown => break,
                ServerExit::Failed(reason) => {
                    error!(
                        reason,
                        pause_s = pause.as_secs_f64(),
                        "the gossip server failed, restarting"
                    );
                }
                ServerExit::Renewed => {
                    pause = Duration::ZERO;
                    info!("many withdrawn decisions left empty keys in gossip, restarting");
                }
                ServerExit::Impersonated => {
                    pause = Duration::ZERO;
                    error!("another member impersonates this one in gossip, restarting");
                }
            }
            server = tokio::select! {
                () = requested(&mut shutdown) => break,
                server = self.restart(&mut pause) => server,
            };
        }
        self.reconnect.store().await;
        info!("gossip has stopped");
    }

    /// Retries until a server runs.
    async fn restart(&self, pause: &mut Duration) -> Server {
        loop {
            time::sleep(*pause).await;
            self.lives.earn_one().await;
            *pause = pause
                .saturating_mul(2)
                .clamp(RESTART_PAUSE_MIN, RESTART_PAUSE_MAX);
            let started = match self.transport.bind(self.listen).await {
                Ok(socket) => self.start_server(socket).await,
                Err(error) => Err(GossipError::Listen {
                    listen: self.listen,
                    source: error.into(),
                }),
            };
            match started {
                Ok(server) => {
                    self.membership.metrics.restarts.inc();
                    info!("the gossip server runs again");
                    return server;
                }
                Err(error) => {
                    self.membership.running.store(false, Ordering::Release);
                    let error = edge_cache_core::text::error_chain(&error);
                    error!(
                        error,
                        pause_s = pause.as_secs_f64(),
                        "the gossip server does not start, retrying"
                    );
                }
            }
        }
    }

    async fn work(
        &mut self,
        server: &Server,
        shutdown: &mut watch::Receiver<Option<ShutdownMode>>,
    ) -> ServerExit {
        let chitchat = server.handle.chitchat();
        let wakeups = Wakeups::default();
        self.subscribe(&*chitchat.lock().await, &wakeups);
        let failed = |reason: &str| ServerExit::Failed(reason.to_owned());
        let work = async {
            tokio::select! {
                () = requested(shutdown) => ServerExit::Shutdown,
                end = server.handle.termination_watcher() => match end {
                    Ok(()) => failed("the server ended by itself"),
                    Err(error) => failed(&error.to_string()),
                },
                () = async {
                    server.impersonated().await;
                    self.lives.available().await;
                } => ServerExit::Impersonated,
                () = self.lives.earn() => failed("the count of lives ended"),
                () = self.lives.bury(&chitchat, self.config.interval) => failed("burying ended"),
                () = self.announcer.run(&chitchat) => ServerExit::Shutdown,
                () = self.membership.outbox.run(&chitchat) => failed("the outbox ended"),
                () = async {
                    self.membership.outbox.is_crowded.notified().await;
                    // Changes are written meanwhile.
                    self.lives.available().await;
                } => ServerExit::Renewed,
                () = server.states.run(&chitchat, &self.membership.metrics) => {
                    failed("the measurement ended")
                }
                () = reread(&self.membership.inbox, &chitchat) => failed("the inbox ended"),
                () = self.topology.run(&chitchat, &wakeups.records, &server.states) => {
                    failed("the cluster state is gone")
                }
                () = self.pusher.run(&server.handle, &wakeups.changes) => failed("push ended"),
                () = self.reconnect.run(&server.handle) => failed("reconnection ended"),
            }
        };
        // chitchat checks its state with assertions, also in functions that this task calls.
        let exit = AssertUnwindSafe(work).catch_unwind().await;
        exit.unwrap_or_else(|_| failed("an assertion in gossip failed"))
    }

    /// Subscribes to key changes. The callbacks run in chitchat's task under its lock, and a panic
    /// would end it, so they only note and notify. They hold nothing of chitchat's, because they live
    /// as long as chitchat does.
    fn subscribe(&self, chitchat: &Chitchat, wakeups: &Wakeups) {
        let (records, changes) = (Arc::clone(&wakeups.records), Arc::clone(&wakeups.changes));
        let on_record = move |_: KeyChangeEvent<'_>| {
            records.notify_one();
            changes.notify_one();
        };
        chitchat
            .subscribe_event(PeerInfo::KEY_PREFIX, on_record)
            .forever();
        let (membership, changes) = (Arc::clone(&self.membership), Arc::clone(&wakeups.changes));
        let own = chitchat.self_chitchat_id().clone();
        let on_decision = move |event: KeyChangeEvent<'_>| {
            let inbox = &membership.inbox;
            let is_new = if *event.node == own {
                inbox.note(event.key, event.value).is_some()
            } else {
                inbox.offer(event.key, event.value)
            };
            if is_new {
                changes.notify_one();
            }
        };
        chitchat
            .subscribe_event(DECISION_PREFIX, on_decision)
            .forever();
    }

    /// Announces the leave to peers, and gives them time to fetch it.
    async fn leave(
        &mut self,
        server: &Server,
        shutdown: &mut watch::Receiver<Option<ShutdownMode>>,
    ) {
        let chitchat = server.handle.chitchat();
        self.lives.bury_all(&chitchat).await;
        let view = self.membership.view.load_full();
        let mut peers: Vec<_> = view.alive().map(|peer| peer.address).collect();
        fastrand::shuffle(&mut peers);
        peers.truncate(LEAVE_PEERS_MAX);
        let announce = async {
            for _ in 0..LEAVE_ROUNDS {
                start_rounds(&server.handle, &peers);
                time::sleep(LEAVE_PAUSE).await;
            }
        };
        tokio::select! {
            biased;
            () = self.announcer.run(&chitchat) => {}
            // Recent decisions may still be unsent.
            () = self.membership.outbox.run(&chitchat) => {}
            () = announce => info!(peers = peers.len(), "announced the leave to peers"),
            _ = shutdown.wait_for(|mode| *mode == Some(ShutdownMode::Stop)) => {}
        }
    }
}

impl Server {
    /// Waits until another member impersonates this one and the server is old enough to be replaced.
    async fn impersonated(&self) {
        self.impersonated.notified().await;
        let lives_on = IMPERSONATED_AFTER.saturating_sub(self.started.elapsed());
        time::sleep(lives_on).await;
    }

    /// Stops the server and waits until its socket is closed.
    async fn stop(self) {
        // Fails if the server has ended already.
        let _ = self.handle.initiate_shutdown();
        let end = self.handle.termination_watcher();
        if time::timeout(STOP_MAX, end).await.is_err() {
            warn!("the gossip server does not stop, aborting it");
            self.handle.abort();
        }
        // The reason of a failure was logged before.
        let _ = self.handle.shutdown().await;
    }
}

impl Drop for MemberTask {
    fn drop(&mut self) {
        self.membership
            .waits_for_life
            .store(false, Ordering::Release);
        self.membership.running.store(false, Ordering::Release);
    }
}

/// Reads all decisions at the start and on request. Never returns.
async fn reread(inbox: &Inbox, chitchat: &Mutex<Chitchat>) {
    loop {
        inbox.read(&*chitchat.lock().await);
        inbox.reread.notified().await;
    }
}

/// Waits for a shutdown request, or until all handles are gone.
async fn requested(shutdown: &mut watch::Receiver<Option<ShutdownMode>>) {
    let _ = shutdown.wait_for(Option::is_some).await;
}
