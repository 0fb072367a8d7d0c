//! Start, shutdown, failure and restart.

use std::error::Error;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chitchat::transport::{RecvOutcome, SendOutcome, Socket};
use chitchat::{
    ChitchatEnvelope, ChitchatHandle, ChitchatId, DeletionStatus, ProtocolVersion, VersionedValue,
};
use tokio::sync::{Notify, Semaphore};

use super::harness::{
    CLUSTER, config, eventually, in_time, info, labels, loopback, next, peers_when, start, stranger,
};
use crate::info::NodeRecord;
use crate::transport::{BoundSocket, GossipTransport, MemberContext};
use crate::udp::UdpTransport;
use crate::{
    GossipError, GossipMemory, GossipPool, JoinState, MemberStatus, Network, PeerInfo,
    ProcessMemory, SimulatedNetwork, TopologyEvent, Trouble,
};

#[tokio::test]
async fn a_port_chosen_by_the_system_is_advertised() {
    let a = start(1, &[]).await;
    assert_ne!(a.listen_addr().port(), 0);
    assert_eq!(a.advertise_addr(), a.listen_addr());

    let mut settings = config(2, &[&a]);
    settings.listen = "0.0.0.0:0".parse().unwrap();
    settings.advertise = Some(loopback());
    let b = GossipPool::start(settings).await.unwrap();
    let port = b.listen_addr().port();
    assert_eq!(b.advertise_addr(), SocketAddr::from(([127, 0, 0, 1], port)));
    peers_when(&a, |peers| peers.get(2).is_some()).await;
}

/// The records come first, and the decisions in many messages.
#[tokio::test]
async fn a_member_has_joined_when_all_decisions_are_here() {
    const DECISIONS: u64 = 12_000;
    let start = async |node_id, seeds: &[&GossipPool]| {
        let mut settings = config(node_id, seeds);
        settings.interval = Duration::from_millis(200);
        GossipPool::start(settings).await.unwrap()
    };
    let a = start(1, &[]).await;
    let b = start(2, &[&a]).await;
    peers_when(&b, |peers| peers.get(1).is_some()).await;
    // Values that cannot be compressed.
    let mut random = fastrand::Rng::with_seed(17);
    let mut value = || {
        std::iter::repeat_with(|| random.alphanumeric())
            .take(400)
            .collect()
    };
    a.publish_decisions((0..DECISIONS).map(|node_id| (node_id, Some(value()))));
    let are_here = |pool: &GossipPool| pool.pending_decisions() == DECISIONS as usize;
    eventually(|| are_here(&b)).await;
    let c = start(3, &[&a]).await;
    assert_eq!(in_time(c.joined()).await, JoinState::Joined);
    assert!(are_here(&c), "{} are", c.pending_decisions());
}

#[tokio::test]
async fn invalid_settings_are_refused_before_anything_starts() {
    let mut settings = config(1, &[]);
    settings.listen = "0.0.0.0:0".parse().unwrap();
    let error = GossipPool::start(settings).await.unwrap_err();
    assert!(matches!(error, GossipError::NotAdvertisable { .. }));

    let mut settings = config(1, &[]);
    settings.seeds = vec!["nowhere".into()];
    let error = GossipPool::start(settings).await.unwrap_err();
    assert!(error.to_string().contains("\"nowhere\""), "{error}");
}

#[tokio::test]
async fn the_error_names_an_address_in_use() {
    let a = start(1, &[]).await;
    let mut settings = config(2, &[]);
    settings.listen = a.listen_addr();
    let error = GossipPool::start(settings).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&a.listen_addr().to_string()), "{text}");
    assert!(error.source().is_some());
}

#[tokio::test]
async fn shutdown_frees_the_port_and_ends_subscriptions() {
    let a = start(1, &[]).await;
    let b = start(2, &[&a]).await;
    peers_when(&a, |peers| peers.len() == 1).await;
    let mut events = a.subscribe();
    let clone = a.clone();

    in_time(async { tokio::join!(a.shutdown(), clone.shutdown()) }).await;
    UdpSocket::bind(a.listen_addr()).unwrap();
    assert!(!a.is_running());
    assert_eq!(in_time(events.next()).await, None);
    assert_eq!(a.peers().len(), 1, "the last view stays readable");
    assert!(matches!(
        a.publish_labels(labels(&[])),
        Err(GossipError::Stopped)
    ));
    in_time(a.shutdown()).await;
    assert!(b.is_running());
}

#[tokio::test]
async fn dropping_the_last_clone_stops_the_pool() {
    let a = start(1, &[]).await;
    let address = a.listen_addr();
    let mut events = a.subscribe();
    let clone = a.clone();
    drop(a);
    assert!(clone.is_running());
    clone.publish_labels(labels(&[("a", "b")])).unwrap();
    clone.published().await.unwrap();
    drop(clone);
    assert_eq!(in_time(events.next()).await, None);
    eventually(|| UdpSocket::bind(address).is_ok()).await;
}

#[tokio::test]
async fn traffic_is_counted() {
    let a = start(1, &[]).await;
    let b = start(2, &[&a]).await;
    peers_when(&a, |peers| peers.len() == 1).await;
    for metrics in [a.metrics(), b.metrics()] {
        for (datagrams, bytes) in [metrics.sent(), metrics.received()] {
            assert!(datagrams > 0 && bytes > datagrams);
        }
    }
}

#[tokio::test]
async fn a_failed_server_is_restarted_on_the_same_port() {
    for fault in [Fault::Error, Fault::Panic] {
        let broken = Arc::new(Notify::new());
        let transport = BreakableTransport {
            inner: plain_udp(),
            broken: Arc::clone(&broken),
            fault,
        };
        let a = GossipPool::start_on(config(1, &[]), Box::new(transport), None)
            .await
            .unwrap();
        let b = start(2, &[&a]).await;
        peers_when(&a, |peers| peers.len() == 1).await;
        peers_when(&b, |peers| peers.len() == 1).await;
        let (address, first) = (a.listen_addr(), a.generation());
        let mut events = a.subscribe();

        broken.notify_one();
        eventually(|| !a.is_running()).await;
        a.publish_labels(labels(&[("while", "down")])).unwrap();
        assert_eq!(a.peers().len(), 1, "the last view stays readable");
        in_time(a.published()).await.unwrap();
        assert!(a.is_running() && a.generation() > first && a.metrics().restarts.get() == 1);
        assert_eq!(a.listen_addr(), address);
        peers_when(&b, |peers| {
            peers
                .get(1)
                .is_some_and(|info| info.labels == labels(&[("while", "down")]))
        })
        .await;
        b.publish_labels(labels(&[("after", "all")])).unwrap();
        let update = next(&mut events).await;
        assert!(
            matches!(&update, TopologyEvent::Updated(info) if info.labels == labels(&[("after", "all")])),
            "a peer from before the restart must not be reported as left: {update:?}"
        );
        in_time(a.shutdown()).await;
        UdpSocket::bind(a.listen_addr()).unwrap();
    }
}

#[tokio::test]
async fn a_pool_can_be_shut_down_while_its_server_has_failed() {
    let broken = Arc::new(Notify::new());
    let transport = BreakableTransport {
        inner: plain_udp(),
        broken: Arc::clone(&broken),
        fault: Fault::Error,
    };
    let a = GossipPool::start_on(config(1, &[]), Box::new(transport), None)
        .await
        .unwrap();
    broken.notify_one();
    eventually(|| !a.is_running()).await;
    in_time(a.shutdown()).await;
    assert!(!a.is_running());
    assert_eq!(a.metrics().restarts.get(), 0);
    UdpSocket::bind(a.listen_addr()).unwrap();
}

#[tokio::test]
async fn a_leave_and_a_return_are_seen_at_once() {
    let a = start(1, &[]).await;
    let mut slow = config(2, &[&a]);
    slow.interval = Duration::from_secs(5);
    slow.self_info = info(2, &[("zone", "a")]);
    let b = GossipPool::start(slow).await.unwrap();
    let c = start(3, &[&a]).await;
    for pool in [&a, &c] {
        peers_when(pool, |peers| peers.len() == 2).await;
    }
    let started = Instant::now();
    in_time(b.leave()).await;
    for pool in [&a, &c] {
        peers_when(pool, |peers| peers.get(2).is_none()).await;
        assert_eq!(leaving(pool), [2]);
    }
    assert!(started.elapsed() < Duration::from_secs(1));
    assert!(b.self_info().labels.is_empty() && !b.is_running());
    UdpSocket::bind(b.listen_addr()).unwrap();

    let again = start(2, &[&a]).await;
    peers_when(&a, |peers| peers.get(2).is_some()).await;
    eventually(|| leaving(&a).is_empty()).await;
    drop(again);
}

#[tokio::test]
async fn an_impersonated_member_restarts_and_is_listed_again() {
    let began = Instant::now();
    let transport = HeldTransport::new();
    let (binds, releases) = (
        Arc::clone(&transport.binds),
        Arc::clone(&transport.releases),
    );
    releases.add_permits(1);
    let a = GossipPool::start_on(config(1, &[]), Box::new(transport), None);
    let a = a.await.unwrap();
    let b = start(2, &[&a]).await;
    peers_when(&b, |peers| peers.len() == 1).await;
    let first = a.generation();
    let _liar = impersonate(&a, &b).await;
    eventually(|| binds.load(Ordering::Acquire) == 2).await;
    let lifetime = began.elapsed();
    assert!(lifetime >= Duration::from_secs(4), "{lifetime:?}");
    assert!(a.is_running(), "a liar does not end the health checks");
    releases.add_permits(1);
    eventually(|| a.metrics().restarts.get() == 1).await;
    in_time(a.announce_self(info(1, &[("true", "label")])))
        .await
        .unwrap();
    assert!(a.generation() > first);
    peers_when(&b, |peers| {
        peers
            .get(1)
            .is_some_and(|info| info.labels == labels(&[("true", "label")]))
    })
    .await;
}

#[tokio::test]
async fn a_member_that_withdrew_many_decisions_is_renewed_and_loses_none() {
    const DECISIONS: u64 = 65_536;
    let a = start(1, &[]).await;
    let first = a.generation();
    let value = || Some(r#"{"op":"disable","at":1,"by":1}"#.to_owned());
    a.publish_decisions((0..=DECISIONS).map(|node_id| (node_id, value())));
    a.publish_decisions((0..DECISIONS).map(|node_id| (node_id, None)));
    eventually(|| a.generation() > first).await;
    let b = start(2, &[&a]).await;
    eventually(|| b.pending_decisions() == 1).await;
    let decisions = in_time(b.take_decisions()).await;
    assert_eq!(decisions[0].0, DECISIONS);
}

/// Starts a member with a newer state of node 1 than node 1 has written, and tells it to a peer.
async fn impersonate(a: &GossipPool, b: &GossipPool) -> ChitchatHandle {
    let id = ChitchatId::new(PeerInfo::key(1), a.generation(), a.advertise_addr());
    let liar = stranger("liar", 1, &[], b).await;
    let lie = VersionedValue {
        value: NodeRecord::from(info(1, &[("false", "label")]))
            .encode()
            .unwrap(),
        version: 1_000,
        status: DeletionStatus::Set,
    };
    liar.chitchat().lock().await.reset_node_state_if_update(
        &id,
        std::iter::once((PeerInfo::key(1), lie)),
        1_000,
        0,
    );
    liar
}

/// A transport that binds as often as it is allowed to.
struct HeldTransport {
    inner: UdpTransport,
    /// Number of calls of `bind`.
    binds: Arc<AtomicUsize>,
    releases: Arc<Semaphore>,
}

impl HeldTransport {
    fn new() -> Self {
        Self {
            inner: plain_udp(),
            binds: Arc::default(),
            releases: Arc::new(Semaphore::new(0)),
        }
    }
}

#[async_trait]
impl GossipTransport for HeldTransport {
    async fn bind(&self, listen: SocketAddr) -> anyhow::Result<Box<dyn BoundSocket>> {
        self.binds.fetch_add(1, Ordering::AcqRel);
        self.releases.acquire().await?.forget();
        self.inner.bind(listen).await
    }
}

/// A transport that binds once, and panics then.
struct BoundOnce(UdpTransport, AtomicBool);

#[async_trait]
impl GossipTransport for BoundOnce {
    async fn bind(&self, listen: SocketAddr) -> anyhow::Result<Box<dyn BoundSocket>> {
        assert!(!self.1.swap(true, Ordering::Relaxed), "injected failure");
        self.0.bind(listen).await
    }
}

#[tokio::test]
async fn a_member_task_that_panics_does_not_run() {
    let transport = BoundOnce(plain_udp(), AtomicBool::default());
    let a = GossipPool::start_on(config(1, &[]), Box::new(transport), None);
    let a = a.await.unwrap();
    let b = start(2, &[&a]).await;
    peers_when(&b, |peers| peers.len() == 1).await;
    let _liar = impersonate(&a, &b).await;
    eventually(|| !a.is_running()).await;
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Error,
    Panic,
}

fn plain_udp() -> UdpTransport {
    UdpTransport {
        cluster_id: CLUSTER.into(),
        keyring: None,
        protocol: ProtocolVersion::V0,
        network: Network::Udp,
    }
}

/// Returns the nodes that announced that they are stopping.
fn leaving(pool: &GossipPool) -> Vec<u64> {
    let members = pool.members().into_iter();
    let leaving = members.filter(|member| member.status == MemberStatus::Leaving);
    leaving.map(|member| member.node_id).collect()
}

/// A transport whose sockets fail on request.
struct BreakableTransport {
    inner: UdpTransport,
    broken: Arc<Notify>,
    fault: Fault,
}

struct BreakableBound {
    inner: Box<dyn BoundSocket>,
    broken: Arc<Notify>,
    fault: Fault,
}

struct BreakableSocket {
    inner: Box<dyn Socket>,
    broken: Arc<Notify>,
    fault: Fault,
}

#[async_trait]
impl GossipTransport for BreakableTransport {
    async fn bind(&self, listen: SocketAddr) -> anyhow::Result<Box<dyn BoundSocket>> {
        Ok(Box::new(BreakableBound {
            inner: self.inner.bind(listen).await?,
            broken: Arc::clone(&self.broken),
            fault: self.fault,
        }))
    }
}

impl BoundSocket for BreakableBound {
    fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr()
    }

    fn into_socket(self: Box<Self>, member: MemberContext) -> Box<dyn Socket> {
        Box::new(BreakableSocket {
            inner: self.inner.into_socket(member),
            broken: self.broken,
            fault: self.fault,
        })
    }
}

#[async_trait]
impl Socket for BreakableSocket {
    fn local_addr(&self) -> anyhow::Result<SocketAddr> {
        self.inner.local_addr()
    }

    async fn send(
        &mut self,
        to: SocketAddr,
        envelope: ChitchatEnvelope,
    ) -> anyhow::Result<SendOutcome> {
        self.inner.send(to, envelope).await
    }

    async fn recv(&mut self) -> anyhow::Result<RecvOutcome> {
        tokio::select! {
            outcome = self.inner.recv() => outcome,
            () = self.broken.notified() => match self.fault {
                Fault::Error => Err(anyhow::anyhow!("injected failure")),
                Fault::Panic => panic!("injected failure"),
            },
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_among_zlayer_nodes_begins_few_lives() {
    let memory = Arc::new(ProcessMemory::default());
    let network = SimulatedNetwork::new(1);
    let start = async |limited: bool| {
        let mut config = config(1, &[]);
        config.listen = ([10, 0, 0, 1], 1).into();
        config.network = Network::Simulated(network.clone());
        config.memory = memory.clone();
        if limited {
            let mut lives = memory.lives().unwrap();
            lives.is_limited = true;
            memory.remember_lives(&lives).unwrap();
        }
        GossipPool::start(config).await.unwrap()
    };
    // Agents forget former lives soon: they may have many.
    for _ in 0..30 {
        start(false).await.shutdown().await;
    }
    assert_eq!(memory.lives().unwrap().generations.len(), 30);
    let began = tokio::time::Instant::now();
    let limited = start(true).await;
    // It is alive: a health check that fails would only start it again.
    assert!(limited.waits_for_life() && !limited.is_running() && limited.generation() == 0);
    let troubles: Vec<_> = limited.troubles().iter().map(Trouble::kind).collect();
    assert_eq!(troubles, ["joining", "started_too_often"]);
    while limited.generation() == 0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let waited = began.elapsed();
    assert!(limited.is_running() && !limited.waits_for_life());
    assert!((350..400).contains(&waited.as_secs()), "{waited:?}");
    limited.shutdown().await;
    // None is left: a stop while it waits is a stop.
    let waiting = start(true).await;
    assert!(waiting.waits_for_life());
    in_time(waiting.shutdown()).await;
    assert!(!waiting.is_running() && !waiting.waits_for_life());
}
