//! Embeds a registry in another program: two nodes gossip, one of them is enabled, and the other sees its labels.
//!
//! Needs the reference plugin, which `cargo plugin` builds.

use std::error::Error;
use std::path::Path;

use edge_cache_host::gossip::{GossipConfig, GossipPool, PeerInfo, TopologyEvent};
use edge_cache_host::sandbox::{Plugin, PluginConfig};
use edge_cache_host::{EdgeCacheRegistry, NodeCapacity};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listen = "127.0.0.1:0".parse()?;
    let pool = |node_id| GossipConfig::new(PeerInfo::placeholder(node_id), "example", listen);
    let here = GossipPool::start(pool(1)).await?;
    let mut elsewhere = pool(2);
    elsewhere.seeds.push(here.advertise_addr().to_string());
    let elsewhere = GossipPool::start(elsewhere).await?;

    let file = Path::new(env!("REFERENCE_PLUGIN_FILE"));
    let plugin = Plugin::from_file(file, PluginConfig::default())?;
    let registry = EdgeCacheRegistry::builder(plugin)
        .gossip(here.clone())
        .start()
        .await?;
    let capacity = NodeCapacity {
        cpu_cores: 8,
        ram_mib: 16_384,
        disk_mib: 512_000,
        geo: Some("eu-central-1".to_string()),
    };
    registry.enable(1, capacity).await?;

    let mut events = elsewhere.subscribe();
    while let Some(event) = events.next().await {
        if let TopologyEvent::Joined(peer) | TopologyEvent::Updated(peer) = event
            && peer.labels.contains_key("edge_cache")
        {
            println!("node {} advertises {:?}", peer.node_id, peer.labels);
            break;
        }
    }
    registry.shutdown().await;
    here.shutdown().await;
    elsewhere.shutdown().await;
    Ok(())
}
