//! Seeds that answer, but are no peers, over real sockets.

use tokio::net::UdpSocket;

use super::harness::{Log, config, eventually, in_time, loopback, peers_when, start};
use super::virtual_time::{is_ready, troubles};
use crate::{GossipConfig, GossipPool, JoinState, Keyring};

/// Starts two members that are each other's seeds and checks that both say why they are no peers, and are not ready.
async fn both_are_refused(mut one: GossipConfig, mut two: GossipConfig, why: [&str; 2]) {
    for config in [&mut one, &mut two] {
        config.join_timeout = std::time::Duration::from_millis(300);
        let free = std::net::UdpSocket::bind(config.listen).unwrap();
        config.listen = free.local_addr().unwrap();
    }
    one.seeds = vec![two.listen.to_string()];
    two.seeds = vec![one.listen.to_string()];
    let pools = [
        GossipPool::start(one).await.unwrap(),
        GossipPool::start(two).await.unwrap(),
    ];
    for (pool, why) in pools.iter().zip(why) {
        if why.is_empty() {
            continue;
        }
        assert_eq!(in_time(pool.joined()).await, JoinState::Alone);
        eventually(|| troubles(pool) == ["alone", "refused"]).await;
        assert!(!is_ready(pool));
        let text = pool.troubles()[1].to_string();
        assert!(text.contains(why), "{text}");
    }
    // A peer that is heard makes them ready.
    let Some(first) = pools.first() else { return };
    if first.is_sealed() {
        return;
    }
    let _peer = start(3, &[first]).await;
    eventually(|| is_ready(first)).await;
}

fn keyring() -> Option<Keyring> {
    let key = Keyring::generate().unwrap();
    Some(Keyring::parse(&key).unwrap())
}

#[tokio::test]
async fn seeds_of_another_cluster() {
    let one = config(1, &[]);
    let mut two = config(2, &[]);
    two.cluster_id = "another".into();
    both_are_refused(one, two, ["cluster id", "cluster id"]).await;
}

#[tokio::test]
async fn seeds_with_another_key() {
    let (mut one, mut two) = (config(1, &[]), config(2, &[]));
    one.keyring = keyring();
    two.keyring = keyring();
    both_are_refused(one, two, ["key is unknown", "key is unknown"]).await;
}

#[tokio::test]
async fn a_sealed_and_an_unsealed_member() {
    let (mut one, two) = (config(1, &[]), config(2, &[]));
    one.keyring = keyring();
    both_are_refused(one, two, ["does not encrypt", "same keys"]).await;
}

#[tokio::test]
async fn wrong_datagrams_are_logged_once_a_minute_for_each_reason() {
    let log = Log::default();
    let _collected = log.collect();
    let a = start(1, &[]).await;
    let sender = UdpSocket::bind(loopback()).await.unwrap();
    for datagram in [&b"not gossip"[..], &b"S\xb0\0\x03"[..]] {
        for _ in 0..20 {
            sender.send_to(datagram, a.advertise_addr()).await.unwrap();
        }
    }
    // The messages of a peer come after all of them.
    peers_when(&start(2, &[&a]).await, |peers| peers.len() == 1).await;
    for reason in ["not_chitchat", "refused"] {
        assert_eq!(log.count(&format!("reason=\"{reason}\"")), 1, "{reason}");
    }
}
