//! The handle that the rest of the host holds.
//!
//! RecordReading are answered from what the member's task has published; no read waits for gossip. The
//! handle never touches chitchat itself, and the task never holds the handle, so dropping the last
//! one ends the member.

mod decisions;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tracing::info;

use super::announce::OwnRecord;
use super::bad_records::BadRecords;
use super::directory::Directory;
use super::inbox::Inbox;
use super::member::{MemberTask, MembershipState, Wish};
use super::outbox::Outbox;
use super::push::Pusher;
use super::reconnect::Reconnect;
use super::seal::SharedKeyring;
use super::topology::{ClusterView, Topology};
use super::traffic::TrafficCounters;
use super::transport::GossipTransport;
use super::udp::UdpTransport;
use super::{
    ClusterMember, GossipConfig, GossipError, Keyring, MemberStatus, Network, PeerInfo, Peers,
    TopologyEvents, Traffic,
};

/// This node's membership in a cluster. Clones share it; it ends with
/// [`shutdown`](Self::shutdown) or with the last clone.
#[derive(Clone)]
pub struct GossipPool {
    shared: Arc<Shared>,
}

struct Shared {
    cluster_id: String,
    node_id: u64,
    listen: SocketAddr,
    advertise: SocketAddr,
    /// Whether it was told of others to ask.
    has_seeds: bool,
    own: OwnRecord,
    policy: watch::Sender<Option<String>>,
    outbox: Arc<Outbox>,
    inbox: Arc<Inbox>,
    view: Arc<ClusterView>,
    followed: watch::Receiver<Arc<Peers>>,
    traffic: Arc<TrafficCounters>,
    bad_records: Arc<AtomicU64>,
    keyring: Option<SharedKeyring>,
    condition: Arc<MembershipState>,
    wish: watch::Sender<Wish>,
    ended: watch::Receiver<()>,
}

impl GossipPool {
    /// Binds the socket and joins the cluster. Does not wait for peers, but for the names among
    /// the seeds to be looked up once.
    ///
    /// A gossip server that dies later is started again, with pauses from one second to one minute.
    ///
    /// # Errors
    ///
    /// [`GossipError::Setting`], [`GossipError::Seed`], [`GossipError::NotAdvertisable`] and
    /// [`GossipError::Info`] for settings that cannot work, [`GossipError::Listen`] if the address
    /// cannot be bound, [`GossipError::Memory`] if there is no new generation to be had,
    /// [`GossipError::Start`] if chitchat refuses to start.
    pub async fn start(config: GossipConfig) -> Result<Self, GossipError> {
        config.validate()?;
        let keyring = config
            .keyring
            .clone()
            .map(|keyring| Arc::new(ArcSwap::from_pointee(keyring)));
        let transport: Box<dyn GossipTransport> = match &config.network {
            Network::Udp => Box::new(UdpTransport::new(
                config.cluster_id.clone(),
                config.protocol.into(),
                keyring.clone(),
            )),
            #[cfg(any(test, feature = "simulation"))]
            Network::Simulated(network) => Box::new(network.clone()),
        };
        Self::start_on(config, transport, keyring).await
    }

    /// Joins the cluster over a transport.
    pub(super) async fn start_on(
        config: GossipConfig,
        transport: Box<dyn GossipTransport>,
        keyring: Option<SharedKeyring>,
    ) -> Result<Self, GossipError> {
        let bound = transport
            .bind(config.listen)
            .await
            .map_err(|error| GossipError::Listen {
                listen: config.listen,
                source: error.into(),
            })?;
        let listen = bound.local_addr();
        let advertise = config.advertised(listen);
        let node_id = config.self_info.node_id;
        let cluster_id = config.cluster_id.clone();
        let own_seed = advertise.to_string();
        let has_seeds = config.seeds.iter().any(|seed| *seed != own_seed);
        let (own, announcer) = OwnRecord::new(
            config.self_info.clone(),
            config.labels.clone(),
            config.policy.clone(),
        )?;

        let bad_records = Arc::new(AtomicU64::new(0));
        let policy = watch::Sender::new(config.policy.clone());
        let directory = Directory::new(
            node_id,
            policy.subscribe(),
            config.interval,
            BadRecords::new(Arc::clone(&bad_records)),
        );
        let view = Arc::new(ClusterView::default());
        let (followed_sender, followed) = watch::channel(view.peers.load_full());
        let traffic = Arc::new(TrafficCounters::default());
        let neighbours = Arc::clone(&view.neighbours);
        let condition = Arc::new(MembershipState::default());
        let (outbox, inbox) = (Arc::<Outbox>::default(), Arc::<Inbox>::default());
        let member = MemberTask {
            outbox: Arc::clone(&outbox),
            inbox: Arc::clone(&inbox),
            transport,
            listen,
            advertise,
            condition: Arc::clone(&condition),
            traffic: Arc::clone(&traffic),
            announcer,
            topology: Topology::new(
                directory,
                config.interval,
                Arc::clone(&view),
                followed_sender,
            ),
            pusher: Pusher::new(
                node_id,
                config.push,
                Arc::clone(&neighbours),
                Arc::clone(&traffic),
            ),
            reconnect: Reconnect::new(Arc::clone(&config.memory), neighbours),
            view: Arc::clone(&view),
            config,
        };
        let server = member.begin(bound).await?;
        info!(
            cluster_id,
            node_id,
            generation = condition.generation.load(Ordering::Acquire),
            %listen,
            %advertise,
            seeds = ?member.config.seeds,
            sealed = keyring.is_some(),
            "gossip started"
        );
        let (wish, wish_receiver) = watch::channel(Wish::Run);
        let (ended_sender, ended) = watch::channel(());
        tokio::spawn(member.run(server, wish_receiver, ended_sender));
        Ok(Self {
            shared: Arc::new(Shared {
                cluster_id,
                node_id,
                listen,
                advertise,
                has_seeds,
                own,
                policy,
                outbox,
                inbox,
                view,
                followed,
                traffic,
                bad_records,
                keyring,
                condition,
                wish,
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
        self.shared.view.peers.load_full()
    }

    /// The changes from now on, with the snapshot that they begin at: nothing is lost between the
    /// two.
    #[must_use]
    pub fn subscribe(&self) -> TopologyEvents {
        TopologyEvents::new(self.shared.followed.clone())
    }

    /// Calls `call` now, and whenever the peers or what this node announces have changed, until the pool has
    /// stopped.
    pub async fn on_change(&self, call: impl Fn() + Send) {
        let mut peers = self.shared.followed.clone();
        let mut own = self.shared.own.follow();
        loop {
            call();
            let changed = tokio::select! {
                changed = peers.changed() => changed,
                changed = own.changed() => changed,
            };
            if changed.is_err() {
                return;
            }
        }
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
    /// was shut down. Nothing changed then. While gossip is being started again, labels are
    /// accepted, and announced once it runs.
    pub fn publish_labels(&self, labels: BTreeMap<String, String>) -> Result<(), GossipError> {
        self.shared.own.set_labels(labels).map(|_| ())
    }

    /// Says what decides about labels on this node from now on. Never waits.
    ///
    /// # Errors
    ///
    /// As [`publish_labels`](Self::publish_labels).
    pub fn set_policy(&self, policy: String) -> Result<(), GossipError> {
        self.shared.policy.send_replace(Some(policy.clone()));
        self.shared.own.set_policy(policy).map(|_| ())
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

    /// Whether this node takes part in gossip. False after a shutdown, and from the death of the
    /// gossip server until it has been started again: what the pool shows then is old.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.shared.condition.running.load(Ordering::Acquire)
    }

    /// The address of another agent that has this node's id and was started later. Peers listen to
    /// that one: this node is not seen as long as there is one.
    #[must_use]
    pub fn duplicate_node(&self) -> Option<SocketAddr> {
        **self.shared.view.duplicate_node.load()
    }

    /// Nodes that have said that they are about to stop and are not gone yet, ascending. They are
    /// no peers.
    #[must_use]
    pub fn leaving(&self) -> Arc<Vec<u64>> {
        self.shared.view.leaving.load_full()
    }

    /// Live agents that judge labels by another component than this one, or with other settings, ascending: they
    /// may route the same key elsewhere.
    #[must_use]
    pub fn policy_mismatches(&self) -> Arc<Vec<u64>> {
        self.shared.view.policy_mismatches.load_full()
    }

    /// All members that are known, this node and the dead among them, in ascending order of their node ids.
    /// Of a node that was started again, only its latest life.
    #[must_use]
    pub fn members(&self) -> Vec<ClusterMember> {
        let others = self.shared.view.members.load();
        let (leaving, policy) = self.shared.own.says();
        let own = ClusterMember {
            node_id: self.shared.node_id,
            status: if leaving {
                MemberStatus::Leaving
            } else {
                MemberStatus::Alive
            },
            address: self.shared.advertise,
            generation: self.generation(),
            policy,
        };
        let mut members: Vec<_> = others.iter().cloned().chain([own]).collect();
        members.sort_by_key(|member| member.node_id);
        members
    }

    /// Whether what this member knows of the cluster may be relied on: it has met a peer and had the time to
    /// meet the others, or it was started without seeds and has nobody to ask.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let met = self.shared.view.met.load(Ordering::Acquire);
        !self.shared.has_seeds || (met && self.settles_at().is_none())
    }

    /// Replaces the keys, for datagrams sent and received from now on.
    ///
    /// # Errors
    ///
    /// [`GossipError::NotSealed`] if the pool was started without keys: it stays as it is.
    pub fn rotate(&self, keyring: Keyring) -> Result<(), GossipError> {
        let slot = self.shared.keyring.as_ref().ok_or(GossipError::NotSealed)?;
        info!(keys = ?keyring, "gossip keys replaced");
        slot.store(Arc::new(keyring));
        Ok(())
    }

    /// Tells peers that this node is about to stop, which takes less than half a second, and stops.
    /// They drop it at once instead of finding out after many intervals.
    pub async fn leave(&self) {
        // Rejection by a pool that has stopped: peers have been told, or never will be.
        let _ = self.shared.own.set_leaving();
        self.end(Wish::Leave).await;
    }

    /// Stops the member and returns when its port is free. Peers notice by themselves. Does not
    /// wait for labels: [`published`](Self::published) does. May be called again.
    pub async fn shutdown(&self) {
        self.end(Wish::Stop).await;
    }

    async fn end(&self, wish: Wish) {
        self.shared.wish.send_if_modified(|current| {
            let further = wish > *current;
            *current = (*current).max(wish);
            further
        });
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

    /// The generation of the present membership.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.shared.condition.generation.load(Ordering::Acquire)
    }

    /// How often gossip was started again since the pool was started.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.shared.condition.restarts.load(Ordering::Relaxed)
    }

    /// Whether datagrams are sealed.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.shared.keyring.is_some()
    }

    /// What was sent and received so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.shared.traffic.read()
    }

    /// How many different bad records of peers were ignored so far.
    #[must_use]
    pub fn bad_records(&self) -> u64 {
        let records = self.shared.bad_records.load(Ordering::Relaxed);
        records.saturating_add(self.shared.inbox.too_large.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for GossipPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GossipPool")
            .field("cluster_id", &self.shared.cluster_id)
            .field("node_id", &self.shared.node_id)
            .field("generation", &self.generation())
            .field("advertise", &self.shared.advertise)
            .field("running", &self.is_running())
            .field("peers", &self.snapshot().len())
            .finish_non_exhaustive()
    }
}
