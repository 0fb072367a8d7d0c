//! Rules about combinations of settings.

use anyhow::{Result, anyhow};

use super::{addresses, api};
use crate::exit::usage;
use crate::settings::{AgentSettings, CacheCheck};
use edge_cache_core::labels;
use edge_cache_host::CACHE_ADDRESS_LABEL;

/// Checks that settings do not contradict each other.
pub(crate) fn check(settings: &AgentSettings) -> Result<()> {
    contradiction(settings).map_err(|text| usage(anyhow!(text)))?;
    labels::check_foreign(&settings.label_map(), settings.limits.limits().labels)
        .map_err(|error| usage(anyhow!(error).context("invalid label in `--label`")))
}

/// Checks that peers accept the address of this node's cache, and that nothing else sets it.
fn cache_address(settings: &AgentSettings) -> Result<(), String> {
    if settings.label_map().contains_key(CACHE_ADDRESS_LABEL) {
        return Err(format!(
            "`--label {CACHE_ADDRESS_LABEL}=…` is reserved: `--cache-address` sets it"
        ));
    }
    if settings.traffic.cache_check == Some(CacheCheck::Tcp)
        && settings.traffic.cache_address.is_none()
    {
        return Err("`--cache-check tcp` needs `--cache-address`".to_string());
    }
    let gossip = settings.gossip_advertise.or(settings.gossip_listen);
    let rules = settings
        .traffic
        .address_rules(gossip.map(|address| address.ip()));
    let address = settings.traffic.cache_address;
    let checked = address.map_or(Ok(()), |address| rules.check(address));
    checked.map_err(|error| format!("`--cache-address`: {error}"))
}

fn contradiction(settings: &AgentSettings) -> Result<(), String> {
    api::check(settings)?;
    addresses::check(settings)?;
    settings.limits.check()?;
    cache_address(settings)?;
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
        ("--http-advertise", settings.http.http_advertise.is_some()),
    ] {
        if is_set {
            return Err(format!("`{flag}` needs `--gossip-listen`"));
        }
    }
    Ok(())
}
