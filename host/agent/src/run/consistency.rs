//! Rules about combinations of settings.

use super::api;
use super::error::RunError;
use crate::settings::AgentSettings;
use edge_cache_core::labels;

/// Checks that settings do not contradict each other.
pub(crate) fn check(settings: &AgentSettings) -> Result<(), RunError> {
    let usage = |text: &str| Err(RunError::Usage(text.to_string()));
    api::check(settings).map_err(RunError::Usage)?;
    settings.limits.check().map_err(RunError::Usage)?;
    match settings.gossip_listen {
        Some(listen)
            if !listen.ip().is_loopback()
                && settings.gossip_key_file.is_none()
                && !settings.insecure_gossip =>
        {
            usage(
                "`--gossip-listen` beyond loopback needs `--gossip-key-file`, to encrypt gossip; \
                 `--insecure-gossip` allows it on networks that are already encrypted",
            )
        }
        None if !settings.seeds.is_empty() => usage("`--seed` needs `--gossip-listen`"),
        None if settings.gossip_advertise.is_some() => {
            usage("`--gossip-advertise` needs `--gossip-listen`")
        }
        None if settings.gossip_key_file.is_some() => {
            usage("`--gossip-key-file` needs `--gossip-listen`")
        }
        _ => labels::check_foreign(&settings.label_map(), settings.limits.limits().labels)
            .map_err(RunError::Label),
    }
}
