//! Rules about combinations of settings.

use anyhow::{Result, anyhow};

use super::api;
use crate::exit::usage;
use crate::settings::AgentSettings;
use edge_cache_core::labels;

/// Checks that settings do not contradict each other.
pub(crate) fn check(settings: &AgentSettings) -> Result<()> {
    contradiction(settings).map_err(|text| usage(anyhow!(text)))?;
    labels::check_foreign(&settings.label_map(), settings.limits.limits().labels)
        .map_err(|error| usage(anyhow!(error).context("invalid label in `--label`")))
}

fn contradiction(settings: &AgentSettings) -> Result<(), String> {
    api::check(settings)?;
    settings.limits.check()?;
    let is_sealed = settings.gossip_key_file.is_some();
    if let Some(listen) = settings.gossip_listen {
        if listen.ip().is_loopback() || is_sealed || settings.insecure_gossip {
            return Ok(());
        }
        return Err(
            "`--gossip-listen` beyond loopback needs `--gossip-key-file`, to encrypt gossip; \
                    `--insecure-gossip` allows it on networks that are already encrypted"
                .to_string(),
        );
    }
    for (flag, is_set) in [
        ("--seed", !settings.seeds.is_empty()),
        ("--gossip-advertise", settings.gossip_advertise.is_some()),
        ("--gossip-key-file", is_sealed),
    ] {
        if is_set {
            return Err(format!("`{flag}` needs `--gossip-listen`"));
        }
    }
    Ok(())
}
