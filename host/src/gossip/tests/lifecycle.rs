//! Starting, stopping, and dying.

use std::error::Error;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use async_trait::async_trait;
use chitchat::ChitchatEnvelope;
use chitchat::transport::{RecvOutcome, SendOutcome, Socket};
use tokio::sync::Notify;

use super::harness::{config, eventually, in_time, labels, loopback, peers_when, start};
use crate::gossip::{GossipError, GossipPool, PeerInfo, transport};

#[tokio::test]
async fn a_port_that_the_system_chose_is_advertised() {
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

#[tokio::test]
async fn what_cannot_work_is_refused_before_anything_starts() {
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
async fn an_address_in_use_is_named() {
    let a = start(1, &[]).await;
    let mut settings = config(2, &[]);
    settings.listen = a.listen_addr();
    let error = GossipPool::start(settings).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&a.listen_addr().to_string()), "{text}");
    assert!(error.source().is_some());
}

#[tokio::test]
async fn shutdown_frees_the_port_and_ends_the_followers() {
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
async fn the_last_clone_stops_everything() {
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
    for traffic in [a.traffic(), b.traffic()] {
        assert!(traffic.datagrams_sent > 0 && traffic.datagrams_received > 0);
        assert!(traffic.bytes_sent > traffic.datagrams_sent);
        assert!(traffic.bytes_received > traffic.datagrams_received);
    }
}

#[tokio::test]
async fn a_server_that_dies_is_noticed() {
    for fault in [Fault::Error, Fault::Panic] {
        let inner = transport::listen(loopback()).await.unwrap();
        let broken = Arc::new(Notify::new());
        let socket = Breakable {
            inner,
            broken: Arc::clone(&broken),
            fault,
        };
        let a = GossipPool::start_on(config(1, &[]), Box::new(socket))
            .await
            .unwrap();
        let mut events = a.subscribe();
        assert!(a.is_running());
        broken.notify_one();
        assert_eq!(in_time(events.next()).await, None);
        assert!(!a.is_running());
        assert!(matches!(
            a.announce_self(PeerInfo::placeholder(1)).await,
            Err(GossipError::Stopped)
        ));
        in_time(a.shutdown()).await;
        UdpSocket::bind(a.listen_addr()).unwrap();
    }
}

#[derive(Clone, Copy)]
enum Fault {
    Error,
    Panic,
}

/// A socket that works until it is told to break.
struct Breakable {
    inner: Box<dyn Socket>,
    broken: Arc<Notify>,
    fault: Fault,
}

#[async_trait]
impl Socket for Breakable {
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
                Fault::Error => Err(anyhow::anyhow!("broken on purpose")),
                Fault::Panic => panic!("broken on purpose"),
            },
        }
    }
}
