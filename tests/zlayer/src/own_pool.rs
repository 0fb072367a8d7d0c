//! Our registry over ZLayer's own pool, beside the native one over another.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use edge_cache_host::gossip::PeerInfo;
use edge_cache_host::zlayer::edge_cache::{EdgeCacheRegistry, NodeCapacity};
use edge_cache_host::zlayer::{AnnounceError, AnnounceSelf};
use zlayer_overlay::edge_cache as native;
use zlayer_overlay::gossip::{self, GossipConfig, GossipPool};

/// Longest time until a peer sees a change: ZLayer's nodes look once a second.
const SEEN_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);

struct Pool(Arc<GossipPool>);

impl AnnounceSelf for Pool {
    async fn announce_self(&self, info: &PeerInfo) -> Result<(), AnnounceError> {
        let info = serde_json::from_value(serde_json::to_value(info)?)?;
        Ok(self.0.announce_self(&info).await?)
    }
}

fn self_info(node_id: u64) -> gossip::PeerInfo {
    gossip::PeerInfo {
        node_id,
        wg_pubkey: format!("key of {node_id}"),
        wg_endpoint: SocketAddr::from(([192, 0, 2, 1], 51820)),
        overlay_ip: format!("10.0.0.{node_id}"),
        labels: HashMap::from([("zone".to_owned(), "a".to_owned())]),
    }
}

async fn start(node_id: u64, seeds: Vec<SocketAddr>) -> (SocketAddr, Arc<GossipPool>) {
    // It advertises the address that it is given, so that can't be port 0.
    loop {
        let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let config = GossipConfig {
            node_id,
            gossip_listen: address,
            seeds: seeds.clone(),
            cluster_id: "moved".to_owned(),
            self_info: self_info(node_id),
        };
        if let Ok(pool) = GossipPool::start(config).await {
            return (address, pool);
        }
    }
}

/// Waits until a pool sees the same labels of both peers, with or without those of an edge cache.
async fn expect_same(pool: &GossipPool, count: usize) {
    let begun = Instant::now();
    loop {
        let peers = pool.peers().await;
        let labels: Vec<_> = peers.iter().map(|peer| &peer.labels).collect();
        if let [first, second] = labels[..]
            && first == second
            && first.len() == count
        {
            return;
        }
        assert!(begun.elapsed() < SEEN_WITHIN, "seen last: {peers:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_see_the_same_of_both_registries() {
    let (seed, observer) = start(1, Vec::new()).await;
    let (_, two) = start(2, vec![seed]).await;
    let (_, three) = start(3, vec![seed]).await;
    let theirs = native::EdgeCacheRegistry::with_gossip(two, self_info(2));
    let info = serde_json::from_value(serde_json::to_value(self_info(3)).unwrap()).unwrap();
    let ours = EdgeCacheRegistry::with_gossip(Pool(three), info);

    for (disk_mib, geo) in [(8, Some("eu-central-1".to_owned())), (9, None)] {
        let capacity = native::NodeCapacity {
            cpu_cores: 4,
            ram_mib: 1_024,
            disk_mib,
            geo: geo.clone(),
        };
        theirs.enable(2, capacity).await.unwrap();
        let capacity = NodeCapacity {
            cpu_cores: 4,
            ram_mib: 1_024,
            disk_mib,
            geo: geo.clone(),
        };
        ours.enable(3, capacity).await.unwrap();
        expect_same(&observer, if geo.is_some() { 6 } else { 5 }).await;
    }
    theirs.disable(2).await.unwrap();
    ours.disable(3).await.unwrap();
    expect_same(&observer, 1).await;
}
