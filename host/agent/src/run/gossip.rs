//! Start of gossip and rotation of its keys.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::RunError;
use crate::settings::{AgentSettings, GossipProtocol};
use edge_cache_core::text;
use edge_cache_host::Store;
use edge_cache_host::gossip::{GossipConfig, GossipPool, Keyring, PeerInfo, Protocol, PushBudget};

/// Returns the validated configuration of gossip; `None` if gossip is off.
pub(crate) fn config(settings: &AgentSettings) -> Result<Option<GossipConfig>, RunError> {
    let Some(listen) = settings.gossip_listen else {
        return Ok(None);
    };
    let mut config = GossipConfig::new(self_info(settings), settings.cluster_id.clone(), listen);
    config.advertise = settings.gossip_advertise;
    config.seeds.clone_from(&settings.seeds);
    config.interval = settings.gossip_interval;
    config.dead_node_grace_period = settings.gossip_dead_grace;
    let whole = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    config.push = PushBudget {
        rounds_per_second: whole(settings.gossip_push_rounds_per_second),
        digest_bytes_per_second: whole(settings.gossip_push_digest_bytes_per_second),
    };
    config.protocol = match settings.gossip_protocol {
        GossipProtocol::V0 => Protocol::V0,
        GossipProtocol::V1 => Protocol::V1,
    };
    config.validate().map_err(RunError::Gossip)?;
    config.keyring = read_keyring(settings)?;
    Ok(Some(config))
}

/// Starts gossip, if it is configured.
pub(super) async fn join(
    config: Option<GossipConfig>,
    policy: String,
    store: Option<&Store>,
) -> Result<Option<GossipPool>, RunError> {
    let Some(mut config) = config else {
        return Ok(None);
    };
    config.policy = Some(policy);
    if let Some(store) = store {
        config.labels = store.own_labels();
        config.memory = Arc::new(store.clone());
    }
    GossipPool::start(config)
        .await
        .map(Some)
        .map_err(RunError::Gossip)
}

/// Replaces the keys by those of the file. A file that cannot be used changes nothing.
pub(super) fn reload_keys(file: &Path, pool: &GossipPool) {
    let keyring = match Keyring::read(file) {
        Ok(keyring) => keyring,
        Err(error) => {
            let error = text::error_chain(&error);
            tracing::error!(error, file = %file.display(), "gossip keys not reloaded");
            return;
        }
    };
    if let Err(error) = pool.rotate(keyring) {
        tracing::error!(
            error = text::error_chain(&error),
            "gossip keys not reloaded"
        );
    }
}

/// Returns the public information about this node.
pub(super) fn self_info(settings: &AgentSettings) -> PeerInfo {
    PeerInfo {
        node_id: settings.node_id,
        wg_pubkey: settings.wg_pubkey.clone(),
        wg_endpoint: settings.wg_endpoint,
        overlay_ip: settings.overlay_ip.clone(),
        labels: settings.label_map(),
    }
}

fn read_keyring(settings: &AgentSettings) -> Result<Option<Keyring>, RunError> {
    let read = |path: &PathBuf| {
        Keyring::read(path).map_err(|source| RunError::Keyring {
            path: path.clone(),
            source,
        })
    };
    settings.gossip_key_file.as_ref().map(read).transpose()
}
