//! An agent between its start and its shutdown.

use super::api::Api;
use super::error::RunError;
use super::{gossip, plugin};
use crate::plugin_manager::PluginManager;
use crate::settings::AgentSettings;
use edge_cache_host::gossip::GossipPool;
use edge_cache_host::sandbox::Plugin;
use edge_cache_host::{EdgeCacheRegistry, Identity, Store};

/// A started agent that does not serve requests yet.
pub(super) struct Agent {
    pub(super) api: Api,
    pub(super) registry: EdgeCacheRegistry,
    pub(super) gossip: Option<GossipPool>,
    pub(super) plugins: PluginManager,
}

impl Agent {
    /// Starts all parts. The store comes first, because it has the generation and the labels for gossip; gossip comes
    /// before the registry, which publishes its labels there.
    pub(super) async fn start(settings: &AgentSettings) -> Result<Self, RunError> {
        let config = gossip::config(settings)?;
        let store = open_store(settings)?;
        let cache = store.as_ref().map(Store::code_cache);
        let (plugins, plugin) = plugin::load(settings, cache).await?;
        let api = Api::bind(settings)?;
        let gossip = gossip::join(config, plugin.policy(), store.as_ref()).await?;
        let registry = start_registry(settings, plugin, store, gossip.as_ref()).await?;
        Ok(Self {
            api,
            registry,
            gossip,
            plugins,
        })
    }
}

fn open_store(settings: &AgentSettings) -> Result<Option<Store>, RunError> {
    let identity = Identity {
        node_id: Some(settings.node_id),
        cluster_id: settings.cluster_id.clone(),
    };
    settings
        .data_dir
        .as_deref()
        .map(|directory| Store::open(directory, identity))
        .transpose()
        .map_err(RunError::Store)
}

async fn start_registry(
    settings: &AgentSettings,
    plugin: Plugin,
    store: Option<Store>,
    gossip: Option<&GossipPool>,
) -> Result<EdgeCacheRegistry, RunError> {
    let mut builder = EdgeCacheRegistry::builder(plugin);
    builder = match gossip {
        Some(pool) => builder.gossip(pool.clone()),
        None => builder.standalone(gossip::self_info(settings)),
    };
    if let Some(store) = store {
        builder = builder.store(store);
    }
    builder.start().await.map_err(RunError::Registry)
}
