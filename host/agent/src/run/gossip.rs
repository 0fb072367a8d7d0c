//! Start of gossip and rotation of its keys.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use edge_cache_client::Address;
use edge_cache_core::AgentInfo;

use crate::VERSION;
use crate::reload::Reloaded;
use crate::settings::{AgentSettings, GossipProtocol};
use crate::trusted_file;
use edge_cache_host::gossip::{
    GossipConfig, GossipPool, Keyring, PeerInfo, Protocol, PushBudget, Rotation,
};
use edge_cache_host::{CACHE_ADDRESS_LABEL, Store};

/// Returns the validated configuration of gossip; `None` if gossip is off.
pub(crate) fn config(settings: &AgentSettings) -> Result<Option<GossipConfig>> {
    let Some(listen) = settings.gossip_listen else {
        return Ok(None);
    };
    let mut config = GossipConfig::new(self_info(settings), settings.cluster_id.clone(), listen);
    config.advertise = settings.gossip_advertise;
    config.seeds.clone_from(&settings.seeds);
    config.interval = settings.gossip_interval;
    config.state_bytes = settings.limits.limits_gossip_bytes;
    config.dead_node_grace_period = settings.gossip_dead_grace;
    config.join_timeout = settings.gossip_join_timeout;
    config.peers_min = settings.gossip_peers_min;
    config.policy_suffix = settings.traffic.policy_suffix();
    let whole = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    config.push = PushBudget {
        rounds_per_second: whole(settings.gossip_push_rounds_per_second),
        digest_bytes_per_second: whole(settings.gossip_push_digest_bytes_per_second),
    };
    config.protocol = match settings.gossip_protocol {
        GossipProtocol::V0 => Protocol::V0,
        GossipProtocol::V1 => Protocol::V1,
    };
    config.validate().context("cannot start gossip")?;
    let key_file = settings.gossip_key_file.as_deref();
    config.keyring = key_file.map(read_keyring).transpose()?;
    Ok(Some(config))
}

pub(super) async fn join(
    config: Option<GossipConfig>,
    policy: String,
    store: Option<&Store>,
) -> Result<Option<GossipPool>> {
    let Some(mut config) = config else {
        return Ok(None);
    };
    config.policy = Some(policy);
    if let Some(store) = store {
        config.labels = store.own_labels();
        config.memory = Arc::new(store.clone());
    }
    let pool = GossipPool::start(config).await;
    Ok(Some(pool.context("cannot start gossip")?))
}

/// Replaces the keys by those of the file. A file that cannot be used changes nothing.
pub(super) fn reload_keys(file: &Path, pool: &GossipPool) -> Result<Reloaded> {
    let keyring = read_keyring(file)?;
    let detail = keyring.to_string();
    Ok(match pool.rotate(keyring)? {
        Rotation::Unchanged => Reloaded::Unchanged(detail),
        Rotation::Replaced => Reloaded::Changed(detail),
    })
}

/// Returns the public information about this node.
pub(crate) fn self_info(settings: &AgentSettings) -> PeerInfo {
    let mut labels = settings.label_map();
    if let Some(address) = settings.traffic.cache_address {
        labels.insert(CACHE_ADDRESS_LABEL.to_string(), address.to_string());
    }
    PeerInfo {
        node_id: settings.node_id,
        wg_pubkey: settings.wg_pubkey.clone(),
        wg_endpoint: settings.wg_endpoint,
        overlay_ip: settings.overlay_ip.clone(),
        labels,
        agent: Some(AgentInfo {
            api: settings
                .http
                .http_advertise
                .as_ref()
                .map(Address::to_string),
            version: Some(VERSION.to_string()),
            ..AgentInfo::default()
        }),
    }
}

fn read_keyring(file: &Path) -> Result<Keyring> {
    let text = trusted_file::read_secret(file);
    text.and_then(|text| {
        let text = std::str::from_utf8(&text);
        Ok(Keyring::parse(
            text.context("it must be UTF-8 text with one key per line")?,
        )?)
    })
    .with_context(|| format!("cannot use the gossip key file {}", file.display()))
}
