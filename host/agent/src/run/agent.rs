//! An agent between its start and its shutdown.

use anyhow::{Context, Result};
use tokio::signal::unix::Signal;

use super::api::Api;
use super::gossip;
use crate::cache_check;
use crate::plugin_manager::PluginManager;
use crate::settings::AgentSettings;
use crate::shutdown::Shutdown;
use crate::systemd::{Notification, Systemd};
use edge_cache_host::gossip::GossipPool;
use edge_cache_host::sandbox::Plugin;
use edge_cache_host::{EdgeCacheRegistry, Identity, Store, TrafficConfig};

/// The gossip intervals within which failures of members belong together: a period of the failure detector.
const LOSS_INTERVALS: u32 = 15;

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
    pub(super) async fn start(settings: &AgentSettings) -> Result<Self> {
        let config = gossip::config(settings)?;
        let store = open_store(settings)?;
        let cache = store.as_ref().map(Store::code_cache);
        let (plugins, plugin) = PluginManager::of_settings(settings, cache).await?;
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

    /// Reloads keys, tokens, certificates and the plugin at every SIGHUP. A file that cannot be used changes nothing.
    pub(super) fn reload_on_sighup(
        &self,
        mut sighup: Signal,
        settings: &AgentSettings,
        systemd: Systemd,
        shutdown: &Shutdown,
    ) {
        let (key_file, pool) = (settings.gossip_key_file.clone(), self.gossip.clone());
        let reload_api = self.api.reloader();
        let (plugins, registry) = (self.plugins.clone(), self.registry.clone());
        let stop = shutdown.clone();
        shutdown.spawn("the reload of files", async move {
            while sighup.recv().await.is_some() {
                systemd.send(Notification::Reloading);
                if let (Some(file), Some(pool)) = (&key_file, &pool) {
                    gossip::reload_keys(file, pool);
                }
                reload_api();
                let (plugins, registry) = (plugins.clone(), registry.clone());
                let (systemd, stop) = (systemd.clone(), stop.clone());
                // The next reload of keys and tokens does not wait for the plugin.
                tokio::spawn(async move {
                    plugins.reload(&registry).await;
                    // An agent that began to stop meanwhile must not report that it is ready.
                    if stop.requested().is_none() {
                        systemd.send(Notification::Ready);
                    }
                });
            }
        });
    }
}

fn open_store(settings: &AgentSettings) -> Result<Option<Store>> {
    let identity = Identity {
        node_id: Some(settings.node_id),
        cluster_id: settings.cluster_id.clone(),
    };
    settings
        .data_dir
        .as_deref()
        .map(|directory| Store::open(directory, identity))
        .transpose()
        .context("cannot open the data directory")
}

fn traffic_config(settings: &AgentSettings, gossip: Option<&GossipPool>) -> TrafficConfig {
    let gossip = gossip.map(|pool| pool.advertise_addr().ip());
    TrafficConfig {
        addresses: settings.traffic.address_rules(gossip),
        hold: settings.traffic.traffic_hold,
        loss_period: settings.gossip_interval.saturating_mul(LOSS_INTERVALS),
    }
}

async fn start_registry(
    settings: &AgentSettings,
    plugin: Plugin,
    store: Option<Store>,
    gossip: Option<&GossipPool>,
) -> Result<EdgeCacheRegistry> {
    let mut builder = EdgeCacheRegistry::builder(plugin).traffic(traffic_config(settings, gossip));
    if settings.traffic.cache_check.is_some() {
        builder = builder.cache_health(cache_check::unchecked());
    }
    builder = match gossip {
        Some(pool) => builder.gossip(pool.clone()),
        None => builder.standalone(gossip::self_info(settings)),
    };
    if let Some(store) = store {
        builder = builder.store(store);
    }
    let started = builder.start().await;
    started.context("cannot start the registry")
}
