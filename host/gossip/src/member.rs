//! The task that keeps this node a member: it starts chitchat, watches it, and starts it again.
//!
//! chitchat's handle keeps answering from a frozen view when its server has died, so somebody must
//! watch the server. This task does, and lets everything that lives on the member live inside it.
//! What the node has to say and what it knows of others outlives the server: a new one begins with
//! both, under a new generation, on the same port.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwap;
use chitchat::{Chitchat, ChitchatHandle, ChitchatId, KeyChangeEvent, spawn_chitchat};
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::{self, Instant};
use tracing::{error, info, warn};

use super::announce::Announcer;
use super::config::now_ns;
use super::directory::AHEAD_MAX;
use super::inbox::{DECISION_PREFIX, Inbox};
use super::info::KEY_PREFIX;
use super::outbox::Outbox;
use super::push::{self, Pusher};
use super::reconnect::{Reconnect, blocking};
use super::topology::{ClusterView, Topology};
use super::traffic::TrafficCounters;
use super::transport::{BoundSocket, BoundTransport, GossipTransport, MemberContext};
use super::{GossipConfig, GossipError, PeerInfo};

/// How long the server may take to stop before it is aborted. It stops between two datagrams.
const STOP_MAX: Duration = Duration::from_secs(2);
/// The pause before the first attempt to start again.
const RESTART_PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause between two attempts; they double from one to the next.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(60);
/// The same where somebody else speaks for this member: peers believe that until it is back.
const IMPERSONATED_PAUSE_MAX: Duration = Duration::from_secs(4);
/// How many intervals a member needs to meet the others: one is live to another after three
/// heartbeats, which takes about five.
pub(super) const SETTLING_INTERVALS: u32 = 10;
/// A server that lived this long has its failures forgiven.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// How many peers are told of a leave; they tell all others.
const LEAVE_PEERS_MAX: usize = 64;
/// How often they are told: a datagram may be lost.
const LEAVE_ROUNDS: u32 = 2;
/// The time after each telling. An exchange takes one and a half times the way there and back.
const LEAVE_PAUSE: Duration = Duration::from_millis(150);

/// What the pool's handles know of the member.
#[derive(Debug, Default)]
pub(super) struct MembershipState {
    pub(super) running: AtomicBool,
    pub(super) generation: AtomicU64,
    pub(super) restarts: AtomicU64,
    /// When the server will have met the others that are there.
    pub(super) settles_at: ArcSwap<Option<Instant>>,
}

/// How far the pool is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wish {
    Run,
    Leave,
    Stop,
}

/// This node as a member, whatever becomes of the server under it.
pub(super) struct MemberTask {
    pub(super) config: GossipConfig,
    pub(super) transport: Box<dyn GossipTransport>,
    pub(super) listen: SocketAddr,
    pub(super) advertise: SocketAddr,
    pub(super) condition: Arc<MembershipState>,
    pub(super) traffic: Arc<TrafficCounters>,
    pub(super) view: Arc<ClusterView>,
    pub(super) announcer: Announcer,
    pub(super) outbox: Arc<Outbox>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) topology: Topology,
    pub(super) pusher: Pusher,
    pub(super) reconnect: Reconnect,
}

/// A server that runs.
pub(super) struct Server {
    handle: ChitchatHandle,
    impersonated: Arc<Notify>,
    since: Instant,
}

/// What wakeups those who follow a server.
#[derive(Debug, Default)]
struct Wakeups {
    /// A node info was written or taken over.
    records: Arc<Notify>,
    /// Something was that others should hear of at once.
    news: Arc<Notify>,
}

/// Why the work on a server ended.
enum End {
    Asked,
    Died(String),
    /// Somebody else speaks for this member, and peers believe it until there is a new generation.
    Impersonated,
}

impl MemberTask {
    /// Starts a server, under a generation that was never used.
    pub(super) async fn begin(&self, bound: Box<dyn BoundSocket>) -> Result<Server, GossipError> {
        let memory = Arc::clone(&self.config.memory);
        let now = now_ns();
        let generation = blocking(move || memory.next_generation(now))
            .await
            .map_err(|source| GossipError::Memory { source })?;
        if u128::from(generation.saturating_sub(now)) > AHEAD_MAX.as_nanos() {
            warn!(
                generation,
                now, "the clock went back: peers ignore this node until it has caught up"
            );
        }
        let name = PeerInfo::key(self.config.self_info.node_id);
        let id = ChitchatId::new(name, generation, self.advertise);
        let impersonated = Arc::new(Notify::new());
        let socket = bound.into_socket(MemberContext {
            id: id.clone(),
            traffic: Arc::clone(&self.traffic),
            impersonated: Arc::clone(&impersonated),
        });
        let transport = BoundTransport::new(socket, Arc::clone(&self.traffic));
        let first = vec![self.announcer.first()];
        let handle = spawn_chitchat(self.config.chitchat(id), first, &transport)
            .await
            .map_err(|error| GossipError::Start {
                source: error.into(),
            })?;
        self.condition
            .generation
            .store(generation, Ordering::Release);
        let settling = self.config.interval.saturating_mul(SETTLING_INTERVALS);
        let settles_at = Instant::now().checked_add(settling);
        self.condition.settles_at.store(Arc::new(settles_at));
        self.condition.running.store(true, Ordering::Release);
        Ok(Server {
            handle,
            impersonated,
            since: Instant::now(),
        })
    }

    /// Works until somebody asks to stop, and closes the socket. `_ended` is held until then.
    pub(super) async fn run(
        mut self,
        mut server: Server,
        mut wish: watch::Receiver<Wish>,
        _ended: watch::Sender<()>,
    ) {
        let mut pause = RESTART_PAUSE_MIN;
        loop {
            let end = self.work(&server, &mut wish).await;
            if matches!(end, End::Asked) && *wish.borrow() == Wish::Leave {
                self.leave(&server, &mut wish).await;
            }
            self.condition.running.store(false, Ordering::Release);
            let lived = server.since.elapsed();
            // Also when it has died: what it held is gone with it, the port among it.
            stop_server(server.handle).await;
            if lived >= HEALTHY_AFTER {
                pause = RESTART_PAUSE_MIN;
            }
            match end {
                End::Asked => break,
                End::Died(reason) => error!(reason, ?pause, "gossip has ended, starting it again"),
                End::Impersonated => {
                    pause = pause.min(IMPERSONATED_PAUSE_MAX);
                    error!(
                        ?pause,
                        "somebody else speaks for this member in gossip, starting it again"
                    );
                }
            }
            server = tokio::select! {
                () = asked(&mut wish) => break,
                server = self.begin_again(&mut pause) => server,
            };
        }
        info!("gossip has stopped");
    }

    /// Tries until a server runs.
    async fn begin_again(&self, pause: &mut Duration) -> Server {
        loop {
            time::sleep(*pause).await;
            *pause = pause.saturating_mul(2).min(RESTART_PAUSE_MAX);
            let begun = match self.transport.bind(self.listen).await {
                Ok(bound) => self.begin(bound).await,
                Err(error) => Err(GossipError::Listen {
                    listen: self.listen,
                    source: error.into(),
                }),
            };
            match begun {
                Ok(server) => {
                    self.condition.restarts.fetch_add(1, Ordering::Relaxed);
                    info!("gossip runs again");
                    return server;
                }
                Err(error) => {
                    let error = edge_cache_core::text::error_chain(&error);
                    error!(error, ?pause, "gossip does not start, trying again");
                }
            }
        }
    }

    async fn work(&mut self, server: &Server, wish: &mut watch::Receiver<Wish>) -> End {
        let chitchat = server.handle.chitchat();
        let wakeups = Wakeups::default();
        self.subscribe(&*chitchat.lock().await, &wakeups);
        let work = async {
            tokio::select! {
                () = asked(wish) => End::Asked,
                end = server.handle.termination_watcher() => End::Died(match end {
                    Ok(()) => "the server ended by itself".to_owned(),
                    Err(error) => error.to_string(),
                }),
                () = server.impersonated.notified() => End::Impersonated,
                () = self.announcer.run(&chitchat) => End::Asked,
                () = self.outbox.run(&chitchat) => {
                    End::Died("nothing is outbox any more".to_owned())
                }
                () = reread(&self.inbox, &chitchat) => {
                    End::Died("nothing is read again any more".to_owned())
                }
                () = self.topology.run(&chitchat, &wakeups.records) => {
                    End::Died("the state of the cluster is gone".to_owned())
                }
                () = self.pusher.run(&server.handle, &wakeups.news) => {
                    End::Died("nothing is pushed any more".to_owned())
                }
                () = self.reconnect.run(&server.handle) => {
                    End::Died("nobody is called any more".to_owned())
                }
            }
        };
        unless_it_panics(work)
            .await
            .unwrap_or_else(|| End::Died("a check inside of gossip failed".to_owned()))
    }

    /// Asks chitchat to say what changes. The callbacks run under chitchat's lock, in its task, which a
    /// panic would end: they take note and wake. They own nothing of chitchat's, so they may live as
    /// long as it does.
    fn subscribe(&self, chitchat: &Chitchat, wakeups: &Wakeups) {
        let (records, news) = (Arc::clone(&wakeups.records), Arc::clone(&wakeups.news));
        let record = move |_: KeyChangeEvent<'_>| {
            records.notify_one();
            news.notify_one();
        };
        chitchat.subscribe_event(KEY_PREFIX, record).forever();
        let (inbox, news) = (Arc::clone(&self.inbox), Arc::clone(&wakeups.news));
        let own = chitchat.self_chitchat_id().clone();
        let decision = move |event: KeyChangeEvent<'_>| {
            let is_news = if *event.node == own {
                inbox.note(event.key, event.value).is_some()
            } else {
                inbox.offer(event.key, event.value)
            };
            if is_news {
                news.notify_one();
            }
        };
        chitchat
            .subscribe_event(DECISION_PREFIX, decision)
            .forever();
    }

    /// Tells peers that this node leaves, and gives them the time to ask what it has to say.
    async fn leave(&mut self, server: &Server, wish: &mut watch::Receiver<Wish>) {
        let chitchat = server.handle.chitchat();
        let mut peers: Vec<_> = self.view.neighbours.load().to_vec();
        fastrand::shuffle(&mut peers);
        let peers: Vec<_> = peers
            .iter()
            .take(LEAVE_PEERS_MAX)
            .map(|peer| peer.address)
            .collect();
        let tell = async {
            for _ in 0..LEAVE_ROUNDS {
                push::begin(&server.handle, &peers);
                time::sleep(LEAVE_PAUSE).await;
            }
        };
        tokio::select! {
            biased;
            () = self.announcer.run(&chitchat) => {}
            // Decisions that were answered just before are still on their way.
            () = self.outbox.run(&chitchat) => {}
            () = tell => info!(peers = peers.len(), "told peers that this node leaves"),
            _ = wish.wait_for(|wish| *wish == Wish::Stop) => {}
        }
    }
}

impl Drop for MemberTask {
    fn drop(&mut self) {
        self.condition.running.store(false, Ordering::Release);
    }
}

/// RecordReading all decisions again when asked to, and at the beginning. Never ends.
async fn reread(inbox: &Inbox, chitchat: &Mutex<Chitchat>) {
    loop {
        inbox.read(&*chitchat.lock().await);
        inbox.reread.notified().await;
    }
}

/// Ends when the pool is not to run on, which is also when nobody holds it any more.
async fn asked(wish: &mut watch::Receiver<Wish>) {
    let _ = wish.wait_for(|wish| *wish != Wish::Run).await;
}

/// Ends with `None` if the future panics. chitchat checks its own state by panicking, also in
/// functions that are called from here.
async fn unless_it_panics<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(
        |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Some(value)),
            Err(_) => Poll::Ready(None),
        },
    )
    .await
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
