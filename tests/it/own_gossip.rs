//! Registries whose labels travel by gossip that an embedder has written, or by ours behind the same trait.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use edge_cache_host::gossip::{AgentInfo, GossipConfig, GossipPool, PeerInfo};
use edge_cache_host::labels::Labels;
use edge_cache_host::{
    Advertiser, EdgeCacheError, EdgeCacheRegistry, LiveNodes, NodeId, async_trait,
};
use edge_cache_tests::cluster_of_one::{capacity, labels};
use edge_cache_tests::reference_plugin;
use edge_cache_tests::wait::until;
use tokio::sync::watch;

/// Maximum time for labels to travel.
const SEEN_WITHIN: Duration = Duration::from_secs(20);

/// The infos that all members of a cluster in this process share.
type Cluster = watch::Sender<BTreeMap<NodeId, Arc<PeerInfo>>>;

/// Gossip of an embedder's own.
#[derive(Debug, Clone)]
struct Member {
    node_id: NodeId,
    cluster: Arc<Cluster>,
}

#[async_trait]
impl Advertiser for Member {
    fn node_id(&self) -> Option<NodeId> {
        Some(self.node_id)
    }

    fn announce(&self, labels: Labels, agent: AgentInfo) {
        let mut info = PeerInfo::placeholder(self.node_id);
        (info.labels, info.agent) = (labels, Some(agent));
        let info = Arc::new(info);
        self.cluster
            .send_modify(|nodes| drop(nodes.insert(self.node_id, info)));
    }

    fn live(&self) -> LiveNodes {
        LiveNodes::new(self.node_id, self.cluster.borrow().values().cloned())
    }

    async fn follow(&self, changed: &(dyn Fn() + Send + Sync)) {
        let mut nodes = self.cluster.subscribe();
        changed();
        while nodes.changed().await.is_ok() {
            changed();
        }
    }
}

fn members() -> [Member; 2] {
    let cluster = Arc::new(Cluster::default());
    [1, 2].map(|node_id| Member {
        node_id,
        cluster: cluster.clone(),
    })
}

async fn registry(advertiser: impl Advertiser + 'static) -> Result<EdgeCacheRegistry> {
    let builder = EdgeCacheRegistry::builder(reference_plugin()?).advertiser(advertiser);
    Ok(builder.start().await?)
}

async fn routes_to(registry: &EdgeCacheRegistry, expected: &[NodeId]) {
    until("the other registry routes", SEEN_WITHIN, || async {
        let nodes = registry.route(b"key", 3, None);
        let mut nodes: Vec<_> = nodes.iter().copied().collect();
        nodes.sort_unstable();
        if nodes == expected {
            Ok(())
        } else {
            Err(nodes)
        }
    })
    .await;
}

/// Enables both nodes at their own registries, each of which routes to both, and disables one.
async fn labels_travel(advertisers: [impl Advertiser + 'static; 2]) -> Result<()> {
    let [one, two] = advertisers;
    let (one, two) = (registry(one).await?, registry(two).await?);
    one.enable(1, capacity()).await?;
    routes_to(&two, &[1]).await;
    two.enable(2, capacity()).await?;
    routes_to(&one, &[1, 2]).await;
    let seen = two.snapshot().labels(1).cloned().unwrap_or_default();
    assert_eq!(seen.get("edge_cache").map(String::as_str), Some("true"));
    assert_eq!(one.node(1).advertised(), Some(true));
    // Labels travel, decisions do not.
    assert!(!two.is_enabled(1) && two.decision(1).is_none());
    one.disable(1).await?;
    routes_to(&two, &[2]).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_travel_by_gossip_of_an_embedders_own() -> Result<()> {
    labels_travel(members()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_travel_by_our_gossip_behind_the_same_trait() -> Result<()> {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut config = GossipConfig::new(PeerInfo::placeholder(1), "own", listen);
    config.interval = Duration::from_millis(100);
    let one = GossipPool::start(config.clone()).await?;
    config.self_info = PeerInfo::placeholder(2);
    config.seeds.push(one.advertise_addr().to_string());
    let two = GossipPool::start(config).await?;
    two.joined().await;
    labels_travel([one, two]).await
}

/// Gossip that was stopped.
#[derive(Debug)]
struct Stopped(Member);

#[async_trait]
impl Advertiser for Stopped {
    fn node_id(&self) -> Option<NodeId> {
        self.0.node_id()
    }

    fn announce(&self, labels: Labels, agent: AgentInfo) {
        self.0.announce(labels, agent);
    }

    fn live(&self) -> LiveNodes {
        self.0.live()
    }

    async fn follow(&self, changed: &(dyn Fn() + Send + Sync)) {
        self.0.follow(changed).await;
    }

    fn accepts_labels(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn gossip_that_takes_no_labels_refuses_the_change() -> Result<()> {
    let [member, _] = members();
    let registry = registry(Stopped(member.clone())).await?;
    let error = registry.enable(1, capacity()).await.unwrap_err();
    assert!(matches!(error, EdgeCacheError::Gossip(_)), "{error}");
    assert!(!registry.is_enabled(1));
    assert_eq!(member.cluster.borrow()[&1].labels, labels([]));
    Ok(())
}
