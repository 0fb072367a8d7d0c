//! Rules about combinations of settings.

use anyhow::{Result, anyhow};

use super::{addresses, api};
use crate::exit::usage;
use crate::settings::names::{INSECURE_GOSSIP, SEED, named};
use crate::settings::{AgentSettings, CacheCheck};
use edge_cache_core::labels::{self, LabelGrants};
use edge_cache_core::text;
use edge_cache_host::CACHE_ADDRESS_LABEL;

/// Checks that settings do not contradict each other. The error has all contradictions.
pub(crate) fn check(settings: &AgentSettings) -> Result<()> {
    let found: Vec<_> = api::contradictions(settings)
        .into_iter()
        .chain(addresses::contradictions(settings))
        .chain(settings.limits.check().err())
        .chain(label(settings))
        .chain(cache_address(settings))
        .chain(gossip(settings))
        .collect();
    if found.is_empty() {
        return Ok(());
    }
    Err(usage(anyhow!(found.join("; "))))
}

/// Checks the labels of other software.
fn label(settings: &AgentSettings) -> Option<String> {
    let (map, name) = (settings.label_map(), named("label"));
    if map.contains_key(CACHE_ADDRESS_LABEL) {
        let address = named("cache.address");
        return Some(format!(
            "{name} cannot be {CACHE_ADDRESS_LABEL}=…, which is reserved: {address} sets it"
        ));
    }
    let granted: LabelGrants = settings
        .plugin_config
        .plugin_labels
        .iter()
        .cloned()
        .collect();
    if let Some(key) = map.keys().find(|key| granted.allow(key)) {
        let grants = named("plugin.labels");
        return Some(format!(
            "{name} cannot be {key}=…, which belongs to the plugin by {grants}: `enable` sets it"
        ));
    }
    let checked = labels::check_foreign(&map, settings.limits.limits().labels);
    let error = checked.err()?;
    Some(format!("{name} is invalid: {}", text::error_chain(&error)))
}

/// Checks that peers accept the address of this node's cache.
fn cache_address(settings: &AgentSettings) -> Option<String> {
    let name = named("cache.address");
    let Some(address) = settings.traffic.cache_address else {
        let is_needed = settings.traffic.cache_check == Some(CacheCheck::Tcp);
        return is_needed.then(|| format!("{} of `tcp` needs {name}", named("cache.check")));
    };
    let gossip = settings.gossip_advertise.or(settings.gossip_listen);
    let rules = settings
        .traffic
        .address_rules(gossip.map(|address| address.ip()));
    let error = rules.check(address).err()?;
    Some(format!("{name}: {error}"))
}

fn gossip(settings: &AgentSettings) -> Vec<String> {
    let (listen, keys) = (named("gossip.listen"), named("gossip.key_file"));
    let is_sealed = settings.gossip_key_file.is_some();
    if let Some(address) = settings.gossip_listen {
        if address.ip().is_loopback() || is_sealed || settings.insecure_gossip {
            return Vec::new();
        }
        return vec![format!(
            "{listen} beyond loopback needs {keys}, to encrypt gossip; {INSECURE_GOSSIP} allows it on networks that \
             are already encrypted"
        )];
    }
    let needing = [
        (SEED.to_string(), !settings.seeds.is_empty()),
        (
            named("gossip.advertise"),
            settings.gossip_advertise.is_some(),
        ),
        (keys, is_sealed),
        (
            named("http.advertise"),
            settings.http.http_advertise.is_some(),
        ),
    ];
    let needing = needing.into_iter().filter(|(_, is_set)| *is_set);
    needing
        .map(|(name, _)| format!("{name} needs {listen}"))
        .collect()
}
