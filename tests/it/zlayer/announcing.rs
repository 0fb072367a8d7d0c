//! Registries with gossip: whose labels are announced, when, and what is told if they are not.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use edge_cache_host::gossip::{GossipConfig, GossipPool, PeerInfo};
use edge_cache_host::zlayer::edge_cache::{EdgeCacheError, EdgeCacheRegistry, NodeCapacity};
use edge_cache_host::zlayer::{AnnounceError, AnnounceSelf};
use edge_cache_tests::wait::until;
use insta::assert_snapshot;

use super::capacity;

const SOON: Duration = Duration::from_secs(20);

type Labels = BTreeMap<String, String>;

/// A pool of other software, which keeps what it announces and fails on demand.
#[derive(Default)]
struct Notebook {
    announced: Mutex<Vec<PeerInfo>>,
    fails: AtomicBool,
}

impl Notebook {
    fn announced(&self) -> Vec<Labels> {
        let announced = self.announced.lock().unwrap();
        announced.iter().map(|info| info.labels.clone()).collect()
    }
}

impl AnnounceSelf for Notebook {
    async fn announce_self(&self, info: &PeerInfo) -> Result<(), AnnounceError> {
        if self.fails.load(Ordering::Relaxed) {
            return Err("the network is down".into());
        }
        self.announced.lock().unwrap().push(info.clone());
        Ok(())
    }
}

fn labels<const N: usize>(labels: [(&str, &str); N]) -> Labels {
    labels
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// Returns the labels of a node with `capacity(disk_mib)`, and one of other software.
fn enabled(disk_mib: &str) -> Labels {
    labels([
        ("edge_cache", "true"),
        ("edge_cache_cpu", "4"),
        ("edge_cache_disk_mib", disk_mib),
        ("edge_cache_ram_mib", "1024"),
        ("zone", "a"),
    ])
}

fn disabled() -> Labels {
    labels([("zone", "a")])
}

fn self_info() -> PeerInfo {
    PeerInfo {
        wg_pubkey: "key".to_owned(),
        overlay_ip: "10.0.0.1".to_owned(),
        labels: disabled(),
        ..PeerInfo::placeholder(1)
    }
}

fn registry() -> (EdgeCacheRegistry, Arc<Notebook>) {
    let pool = Arc::<Notebook>::default();
    let registry = EdgeCacheRegistry::with_gossip(pool.clone(), self_info());
    (registry, pool)
}

#[tokio::test]
async fn labels_of_the_own_node_are_announced_and_of_no_other() {
    let (registry, pool) = registry();
    registry.enable(2, capacity(1)).await.unwrap();
    registry.disable(2).await.unwrap();
    assert!(pool.announced().is_empty());

    let offered = NodeCapacity {
        geo: Some("eu-central-1".to_owned()),
        ..capacity(8)
    };
    registry.enable(1, offered).await.unwrap();
    registry.enable(2, capacity(1)).await.unwrap();
    registry.enable(1, capacity(9)).await.unwrap();
    registry.disable(1).await.unwrap();
    let mut in_geo = enabled("8");
    in_geo.insert("edge_cache_geo".to_owned(), "eu-central-1".to_owned());
    assert_eq!(pool.announced(), [in_geo, enabled("9"), disabled()]);
    // All else is as it was given.
    assert_eq!(pool.announced.lock().unwrap()[2], self_info());
    assert_eq!(
        format!("{registry:?}"),
        "EdgeCacheRegistry { gossip_attached: true, .. }"
    );
}

#[tokio::test]
async fn a_failed_announcement_is_told_and_made_up_for() {
    let (registry, pool) = registry();
    pool.fails.store(true, Ordering::Relaxed);
    let error = registry.enable(1, capacity(8)).await.unwrap_err();
    assert!(matches!(error, EdgeCacheError::Gossip(_)));
    assert_snapshot!(error, @"gossip label push failed: the network is down");
    // As in the native registry, the change stands.
    assert!(registry.is_enabled(1).await);
    pool.fails.store(false, Ordering::Relaxed);
    registry.enable(2, capacity(1)).await.unwrap();
    assert_eq!(pool.announced(), [enabled("8")]);

    pool.fails.store(true, Ordering::Relaxed);
    registry.disable(1).await.unwrap_err();
    pool.fails.store(false, Ordering::Relaxed);
    // A refused change announces too.
    let error = registry.disable(1).await.unwrap_err();
    assert!(matches!(error, EdgeCacheError::NodeNotFound(1)));
    assert_eq!(pool.announced(), [enabled("8"), disabled()]);
}

#[tokio::test]
async fn a_change_whose_caller_went_away_is_made_and_announced_by_the_next() {
    let (registry, pool) = registry();
    {
        let change = pin!(registry.enable(1, capacity(8)));
        // It is queued, and then dropped.
        let _ = change.poll(&mut Context::from_waker(Waker::noop()));
    }
    registry.enable(2, capacity(1)).await.unwrap();
    assert!(registry.is_enabled(1).await);
    assert_eq!(pool.announced(), [enabled("8")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_announcement_of_many_callers_is_the_last_change() {
    let (registry, pool) = registry();
    let callers: Vec<_> = (1..=50)
        .map(|disk_mib| {
            let registry = registry.clone();
            tokio::spawn(async move { registry.enable(1, capacity(disk_mib)).await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    let stands = registry.list_eligible().await[0].capacity.disk_mib;
    let announced = pool.announced();
    assert_eq!(announced.last(), Some(&enabled(&stands.to_string())));
}

#[tokio::test]
async fn labels_of_other_software_are_not_overwritten() {
    let mut info = self_info();
    info.labels
        .insert("edge_cache".to_owned(), "by hand".to_owned());
    let pool = Arc::<Notebook>::default();
    let registry = EdgeCacheRegistry::with_gossip(pool.clone(), info);
    let error = registry.enable(1, capacity(8)).await.unwrap_err();
    assert_snapshot!(error, @"gossip label push failed: denied: key `edge_cache` is set by other software on this node");
    assert!(!registry.is_enabled(1).await);
    assert!(pool.announced().is_empty());
    // They are those of the own node.
    registry.enable(2, capacity(8)).await.unwrap();
}

async fn pool(node_id: u64, seeds: Vec<String>) -> GossipPool {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut config = GossipConfig::new(PeerInfo::placeholder(node_id), "moved", any);
    config.interval = Duration::from_millis(50);
    config.seeds = seeds;
    GossipPool::start(config).await.unwrap()
}

async fn expect(pool: &GossipPool, of: u64, expected: &Labels) {
    until("the labels at the peer", SOON, || async {
        let peers = pool.peers();
        match peers.iter().find(|peer| peer.node_id == of) {
            Some(peer) if peer.labels == *expected => Ok(()),
            _ => Err(peers),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_see_the_labels_through_our_pool() {
    let here = pool(1, Vec::new()).await;
    let there = pool(2, vec![here.advertise_addr().to_string()]).await;
    // The native registry takes an `Arc` of a pool.
    let registry = EdgeCacheRegistry::with_gossip(Arc::new(here.clone()), self_info());
    registry.enable(1, capacity(8)).await.unwrap();
    expect(&there, 1, &enabled("8")).await;
    registry.disable(1).await.unwrap();
    expect(&there, 1, &disabled()).await;

    here.shutdown().await;
    let error = registry.enable(1, capacity(8)).await.unwrap_err();
    assert_snapshot!(error, @"gossip label push failed: gossip has stopped");
    assert!(registry.is_enabled(1).await);
    there.shutdown().await;
}

#[tokio::test]
async fn a_pool_does_not_announce_another_node() {
    let pool = pool(3, Vec::new()).await;
    let registry = EdgeCacheRegistry::with_gossip(pool.clone(), self_info());
    let error = registry.enable(1, capacity(8)).await.unwrap_err();
    assert_snapshot!(error, @"gossip label push failed: node 3 cannot announce node 1: a node can only announce itself");
    pool.shutdown().await;
}
