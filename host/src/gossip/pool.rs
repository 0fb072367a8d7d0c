//! The handle that the rest of the host holds.
//!
//! Reads are answered from what the member's task has published; no read waits for gossip. The
//! handle never touches chitchat itself, and the task never holds the handle, so dropping the last
//! one ends the member.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use chitchat::ChitchatId;
use chitchat::transport::Socket;
use tokio::sync::watch;
use tracing::{info, warn};

use super::announce::OwnRecord;
use super::bad_records::BadRecords;
use super::config::now_ns;
use super::directory::{AHEAD_MAX, Directory};
use super::member::{Member, Running, Signals};
use super::topology::Topology;
use super::transport::{self, OpenTransport, TrafficCounters};
use super::{GossipConfig, GossipError, PeerInfo, Peers, TopologyEvents, Traffic};

/// This node's membership in a cluster. Clones share it; it ends with
/// [`shutdown`](Self::shutdown) or with the last clone.
#[derive(Clone)]
pub struct GossipPool {
    shared: Arc<Shared>,
}

struct Shared {
    cluster_id: String,
    node_id: u64,
    generation: u64,
    listen: SocketAddr,
    advertise: SocketAddr,
    own: OwnRecord,
    peers: Arc<ArcSwap<Peers>>,
    followed: watch::Receiver<Arc<Peers>>,
    traffic: Arc<TrafficCounters>,
    bad_records: Arc<AtomicU64>,
    running: Arc<AtomicBool>,
    stop: watch::Sender<()>,
    ended: watch::Receiver<()>,
}

impl GossipPool {
    /// Binds the socket and joins the cluster. Does not wait for peers, but for the names among
    /// the seeds to be looked up once.
    ///
    /// # Errors
    ///
    /// [`GossipError::Setting`], [`GossipError::Seed`], [`GossipError::NotAdvertisable`] and
    /// [`GossipError::Info`] for settings that cannot work, [`GossipError::Listen`] if the address
    /// cannot be bound, [`GossipError::Start`] if chitchat refuses to start.
    pub async fn start(config: GossipConfig) -> Result<Self, GossipError> {
        config.validate()?;
        let socket = transport::listen(config.listen).await?;
        Self::start_on(config, socket).await
    }

    /// Joins the cluster through a socket that is already open.
    pub(super) async fn start_on(
        config: GossipConfig,
        socket: Box<dyn Socket>,
    ) -> Result<Self, GossipError> {
        let listen = socket.local_addr().map_err(|error| GossipError::Start {
            source: error.into(),
        })?;
        let node_id = config.self_info.node_id;
        let advertise = config.advertised(listen);
        let generation = choose_generation(&config);
        let (own, announcer) = OwnRecord::new(config.self_info.clone(), config.labels.clone())?;

        let bad_records = Arc::new(AtomicU64::new(0));
        let directory = Directory::new(node_id, BadRecords::new(Arc::clone(&bad_records)));
        let peers = Arc::new(ArcSwap::default());
        let (followed_sender, followed) = watch::channel(peers.load_full());
        let topology = Topology::new(directory, Arc::clone(&peers), followed_sender);

        let traffic = Arc::new(TrafficCounters::default());
        let transport = OpenTransport::new(socket, Arc::clone(&traffic));
        let running = Arc::new(AtomicBool::new(true));
        let (stop, stop_receiver) = watch::channel(());
        let (ended_sender, ended) = watch::channel(());
        let signals = Signals {
            stop: stop_receiver,
            running: Running(Arc::clone(&running)),
            ended: ended_sender,
        };

        let id = ChitchatId::new(PeerInfo::key(node_id), generation, advertise);
        let chitchat = config.chitchat(id);
        let member = Member::start(chitchat, transport, announcer, topology, signals).await?;
        tokio::spawn(member.run());
        info!(
            cluster_id = config.cluster_id,
            node_id,
            generation,
            %listen,
            %advertise,
            seeds = ?config.seeds,
            "gossip started"
        );
        Ok(Self {
            shared: Arc::new(Shared {
                cluster_id: config.cluster_id,
                node_id,
                generation,
                listen,
                advertise,
                own,
                peers,
                followed,
                traffic,
                bad_records,
                running,
                stop,
                ended,
            }),
        })
    }

    /// The other live members, in ascending order of their node ids. Never waits; once the pool has
    /// stopped, it is what was known last.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerInfo> {
        let snapshot = self.snapshot();
        snapshot.iter().map(|info| PeerInfo::clone(info)).collect()
    }

    /// The same as [`peers`](Self::peers), without copies.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Peers> {
        self.shared.peers.load_full()
    }

    /// The changes from now on, with the snapshot that they begin at: nothing is lost between the
    /// two.
    #[must_use]
    pub fn subscribe(&self) -> TopologyEvents {
        TopologyEvents::new(self.shared.followed.clone())
    }

    /// Replaces what other software says about this node, its labels included; the component's
    /// labels stay. Returns when the record is in gossip; a caller that does not wait for that has
    /// still announced it.
    ///
    /// # Errors
    ///
    /// [`GossipError::OtherNode`] for the record of another node, [`GossipError::Info`] if it would
    /// be too large together with the component's labels; then nothing changed.
    /// [`GossipError::Stopped`] if it was not written because the pool has stopped.
    pub async fn announce_self(&self, info: PeerInfo) -> Result<(), GossipError> {
        let own = self.shared.node_id;
        if info.node_id != own {
            return Err(GossipError::OtherNode {
                own,
                given: info.node_id,
            });
        }
        let revision = self.shared.own.set_base(info)?;
        self.shared.own.written(revision).await
    }

    /// Replaces the component's labels, which are announced soon. Where other software has set the
    /// same key, its label is announced. Never waits; any thread may call it. Of several calls the
    /// last one counts.
    ///
    /// # Errors
    ///
    /// [`GossipError::Info`] if the record would be too large, [`GossipError::Stopped`] if the pool
    /// has stopped. Nothing changed then.
    pub fn publish_labels(&self, labels: BTreeMap<String, String>) -> Result<(), GossipError> {
        self.shared.own.set_labels(labels).map(|_| ())
    }

    /// Waits until everything that was accepted before this call is in gossip.
    ///
    /// # Errors
    ///
    /// [`GossipError::Stopped`] if the pool has stopped before.
    pub async fn published(&self) -> Result<(), GossipError> {
        let own = &self.shared.own;
        own.written(own.newest()).await
    }

    /// The labels that other software has set, as they were accepted last. Never waits.
    #[must_use]
    pub fn foreign_labels(&self) -> Arc<BTreeMap<String, String>> {
        self.shared.own.foreign()
    }

    /// What this node announces now, both parts merged. Never waits.
    #[must_use]
    pub fn self_info(&self) -> Arc<PeerInfo> {
        self.shared.own.announced()
    }

    /// Whether this node takes part in gossip. False after a shutdown, and when the gossip server
    /// has died: what the pool shows then is old.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.shared.running.load(Ordering::Acquire)
    }

    /// Stops the member and returns when its port is free. Peers notice by themselves. Does not
    /// wait for labels: [`published`](Self::published) does. May be called again.
    pub async fn shutdown(&self) {
        self.shared.stop.send_replace(());
        let mut ended = self.shared.ended.clone();
        // No value is ever sent: the wait is over when the task has dropped its side.
        while ended.changed().await.is_ok() {}
    }

    /// The address that was bound.
    #[must_use]
    pub fn listen_addr(&self) -> SocketAddr {
        self.shared.listen
    }

    /// The address under which peers reach this node.
    #[must_use]
    pub fn advertise_addr(&self) -> SocketAddr {
        self.shared.advertise
    }

    /// Name of the cluster.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.shared.cluster_id
    }

    /// This node.
    #[must_use]
    pub fn node_id(&self) -> u64 {
        self.shared.node_id
    }

    /// The generation of this membership, to be remembered as the last one used.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.shared.generation
    }

    /// What was sent and received so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.shared.traffic.read()
    }

    /// How many different bad records of peers were ignored so far.
    #[must_use]
    pub fn bad_records(&self) -> u64 {
        self.shared.bad_records.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for GossipPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GossipPool")
            .field("cluster_id", &self.shared.cluster_id)
            .field("node_id", &self.shared.node_id)
            .field("generation", &self.shared.generation)
            .field("advertise", &self.shared.advertise)
            .field("running", &self.is_running())
            .field("peers", &self.snapshot().len())
            .finish_non_exhaustive()
    }
}

fn choose_generation(config: &GossipConfig) -> u64 {
    let now = now_ns();
    let generation = config.generation.unwrap_or(now);
    let ahead = u128::from(generation.saturating_sub(now));
    if ahead > AHEAD_MAX.as_nanos() {
        warn!(
            generation,
            now, "the clock went back: peers ignore this node until it has caught up"
        );
    }
    generation
}
