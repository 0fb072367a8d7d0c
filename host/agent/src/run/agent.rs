//! An agent between its start and its shutdown.

use anyhow::{Context, Result};

use super::api::Api;
use super::gossip;
use super::prepare::Prepared;
use super::reload::{self, ReloadSources};
use crate::cache_check::{self, Start};
use crate::log::AuditFile;
use crate::plugin_manager::PluginManager;
use crate::reload::Reloader;
use crate::settings::AgentSettings;
use edge_cache_host::gossip::GossipPool;
use edge_cache_host::sandbox::Plugin;
use edge_cache_host::{EdgeCacheRegistry, Store, TrafficConfig};

/// The gossip intervals within which failures of members belong together: a period of the failure detector.
const LOSS_INTERVALS: u32 = 15;

/// A started agent that does not serve requests yet.
pub(super) struct Agent {
    pub(super) audit: Option<AuditFile>,
    pub(super) api: Api,
    pub(super) registry: EdgeCacheRegistry,
    pub(super) gossip: Option<GossipPool>,
    pub(super) store: Option<Store>,
    /// The life of the node before.
    pub(super) start: Start,
    pub(super) plugins: PluginManager,
    pub(super) reloader: Reloader,
}

impl Agent {
    /// Starts all parts. Gossip comes before the registry, which publishes its labels there.
    pub(super) async fn start(
        settings: &AgentSettings,
        prepared: Prepared,
        sources: ReloadSources,
    ) -> Result<Self> {
        let Prepared {
            audit,
            gossip,
            api,
            store,
            plugins,
            plugin,
        } = prepared;
        let api = Api::bind(settings, api)?;
        let gossip = gossip::join(gossip, plugin.policy(), store.as_ref()).await?;
        let had_labels = |store: &Store| !store.own_labels().is_empty();
        let start = match store.as_ref().is_some_and(had_labels) {
            true => Start::Again,
            false => Start::New,
        };
        let registry = start_registry(settings, plugin, store.clone(), gossip.as_ref()).await?;
        let keys = settings.gossip_key_file.clone().zip(gossip.clone());
        let keys = keys.map(|(file, pool)| reload::gossip_keys(file, pool));
        let trust_file = settings.plugin_source.plugin_trust.clone();
        let trust = trust_file.is_some();
        let trust = trust.then(|| reload::trust_rules(plugins.clone()));
        let plugin = reload::plugin(plugins.clone(), registry.clone(), trust_file);
        let running = sources.running(settings);
        let log_level = sources.log_filter.map(reload::log_level);
        let parts = log_level
            .into_iter()
            .chain(audit.as_ref().map(reload::audit_file))
            .chain(keys)
            .chain(api.parts())
            .chain(trust)
            .chain([plugin]);
        let reloader = Reloader::new(running, parts.collect(), api.certificate_expiry());
        Ok(Self {
            audit,
            api,
            registry,
            gossip,
            store,
            start,
            plugins,
            reloader,
        })
    }
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
