//! Starting a pool: binds the socket, connects the parts, and spawns the member task.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use edge_cache_core::AgentInfo;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};

use super::{GossipPool, Shared};
use crate::announce::{OwnRecord, RecordContent};
use crate::bad_records::BadRecords;
use crate::claim::Claim;
use crate::clock::now_ms;
use crate::config::GossipConfig;
use crate::directory::{AWAITED_INTERVALS, Directory};
use crate::error::GossipError;
use crate::keyring::SharedKeyring;
use crate::known::KnownPeers;
use crate::lives::Lives;
use crate::member::MemberTask;
use crate::membership::Membership;
use crate::memory::UsedLives;
use crate::memory::{RememberedMembers, run_blocking};
use crate::push::Pusher;
use crate::reconnect::Reconnect;
use crate::topology::{ChangeLog, Topology};
use crate::transport::{BoundSocket, GossipTransport};
use crate::udp::UdpTransport;

impl GossipPool {
    /// Binds the socket and joins the cluster. Resolves the names of seeds once, and does not wait
    /// for peers.
    ///
    /// A gossip server that fails later is restarted, after pauses of 1 to 60 seconds.
    ///
    /// # Errors
    ///
    /// [`GossipError::Setting`], [`GossipError::Seed`], [`GossipError::NotAdvertisable`] and
    /// [`GossipError::Info`] for invalid settings, [`GossipError::Listen`] if the address cannot be
    /// bound, [`GossipError::Memory`] if the storage gives no generation, [`GossipError::Start`] if
    /// chitchat does not start.
    pub async fn start(config: GossipConfig) -> Result<Self, GossipError> {
        config.validate()?;
        let keyring = config
            .keyring
            .clone()
            .map(|keyring| Arc::new(ArcSwap::from_pointee(keyring)));
        let transport: Box<dyn GossipTransport> = match config.network.messages() {
            Some(messages) => messages,
            None => Box::new(UdpTransport {
                cluster_id: config.cluster_id.clone(),
                keyring: keyring.clone(),
                protocol: config.protocol.into(),
                network: config.network.clone(),
            }),
        };
        Self::start_on(config, transport, keyring).await
    }

    /// Joins the cluster over a transport. `keyring` is the one that the transport uses.
    pub(crate) async fn start_on(
        config: GossipConfig,
        transport: Box<dyn GossipTransport>,
        keyring: Option<SharedKeyring>,
    ) -> Result<Self, GossipError> {
        let listen = config.listen;
        let socket = transport
            .bind(listen)
            .await
            .map_err(|error| GossipError::Listen {
                listen,
                source: error.into(),
            })?;
        let memory = Arc::clone(&config.memory);
        let remembered = run_blocking(move || memory.members()).await;
        let remembered = remembered.unwrap_or_else(|error| {
            warn!(%error, "cannot load the known peers");
            RememberedMembers::default()
        });
        let memory = Arc::clone(&config.memory);
        let used = run_blocking(move || memory.lives()).await;
        let used = used.map_err(|source| GossipError::Memory { source })?;
        let (shared, task, ended) =
            assemble(config, transport, keyring, &*socket, remembered, used)?;
        let server = if task.lives.may_begin() {
            Some(task.start_server(socket).await?)
        } else {
            drop(socket);
            shared
                .membership
                .waits_for_life
                .store(true, Ordering::Release);
            None
        };
        info!(
            cluster_id = shared.cluster_id,
            node_id = shared.node_id,
            generation = shared.membership.generation.load(Ordering::Acquire),
            listen = %shared.listen,
            advertise = %shared.advertise,
            seeds = task.config.seeds.join(","),
            encrypted = shared.keyring.is_some(),
            "gossip started"
        );
        tokio::spawn(task.run(server, shared.shutdown.subscribe(), ended));
        Ok(Self {
            shared: Arc::new(shared),
        })
    }
}

/// Connects the handles' side of a pool with the task's side. The task drops the sender when it has
/// ended.
fn assemble(
    config: GossipConfig,
    transport: Box<dyn GossipTransport>,
    keyring: Option<SharedKeyring>,
    socket: &dyn BoundSocket,
    remembered: RememberedMembers,
    used: UsedLives,
) -> Result<(Shared, MemberTask, watch::Sender<()>), GossipError> {
    let listen = socket.local_addr();
    let advertise = config.advertised(listen);
    let node_id = config.self_info.node_id;
    let own_seed = advertise.to_string();
    let has_seeds = config.seeds.iter().any(|seed| *seed != own_seed);
    let expects_peers = has_seeds || !remembered.peers.is_empty();
    let holds = !expects_peers || remembered.own_address == Some(advertise);
    let now = Instant::now();
    let mut known = KnownPeers::default();
    let awaited_for = config.interval.saturating_mul(AWAITED_INTERVALS);
    known.load(remembered, awaited_for, (now, now_ms()));
    // Nothing can have been decided that this node has not heard, if it expects nobody.
    let decides_after = if expects_peers {
        config.join_timeout
    } else {
        Duration::ZERO
    };
    let membership = Arc::new(Membership::new(
        known,
        holds,
        decides_after,
        config.state_bytes,
    ));
    let policy = config.policy.as_ref();
    let content = RecordContent {
        base: config.self_info.clone(),
        plugin_labels: config.labels.clone(),
        leaving: false,
        policy: policy.map(|policy| format!("{policy}{}", config.policy_suffix)),
        agent: AgentInfo::default(),
    };
    let (own, announcer) = OwnRecord::new(content, membership.holds.subscribe())?;
    let (snapshot_sender, snapshots) = watch::channel(Arc::default());
    let bad_records = BadRecords::new(membership.metrics.bad_records.clone());
    let topology = Topology {
        directory: Directory::new(node_id, config.interval, bad_records),
        membership: Arc::clone(&membership),
        snapshots: snapshot_sender,
        own: own.announced.clone(),
        interval: config.interval,
        join_timeout: config.join_timeout,
        expects_peers,
        has_seeds,
        claim: Claim::new(holds, config.interval, now),
        held: None,
        log: ChangeLog::default(),
    };
    let (ended_sender, ended) = watch::channel(());
    let shared = Shared {
        cluster_id: config.cluster_id.clone(),
        node_id,
        listen,
        advertise,
        peers_min: config.peers_min,
        policy_suffix: config.policy_suffix.clone(),
        own,
        snapshots,
        keyring,
        membership: Arc::clone(&membership),
        shutdown: watch::Sender::new(None),
        ended,
    };
    let task = MemberTask {
        transport,
        listen,
        advertise,
        announcer,
        topology,
        pusher: Pusher::new(node_id, config.push, Arc::clone(&membership)),
        lives: Lives::new(Arc::clone(&config.memory), Arc::clone(&membership), used),
        reconnect: Reconnect::new(
            Arc::clone(&config.memory),
            Arc::clone(&membership),
            config.peers_min,
        ),
        membership,
        config,
    };
    Ok((shared, task, ended_sender))
}
