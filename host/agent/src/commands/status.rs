//! The description of an agent for people.

use std::time::Duration;

use bytesize::ByteSize;

use super::grid::{column, grid, pairs};
use super::table::{clean, or_empty, plugin_settings};
use crate::screen::Screen;
use edge_cache_api::{Agent, AgentAddresses, SettingSource};

/// Formats an agent as a table, followed by the settings that somebody has set.
pub(super) fn status(agent: &Agent, screen: Screen) -> String {
    let uptime = humantime::format_duration(Duration::from_secs(agent.uptime_s));
    let mut rows = vec![
        ("node", agent.node_id.to_string()),
        ("cluster", clean(&agent.cluster_id)),
        ("version", clean(&agent.version)),
        ("started", agent.started_at.to_string()),
        ("uptime", uptime.to_string()),
        (
            "ready",
            if agent.health.ok { "yes" } else { "no" }.to_string(),
        ),
    ];
    let health = &agent.health;
    rows.extend(
        health
            .reasons
            .iter()
            .map(|reason| ("not ready", clean(reason))),
    );
    let warnings = health.warnings.iter();
    rows.extend(warnings.map(|warning| ("warning", clean(warning))));
    rows.extend(addresses(&agent.addresses));
    let plugin = &agent.plugin;
    rows.extend([
        ("plugin", clean(&plugin.origin.source)),
        ("plugin state", plugin.state.to_string()),
        ("plugin sha256", clean(&plugin.sha256)),
        ("policy", clean(&plugin.policy)),
        ("plugin settings", plugin_settings(plugin)),
        ("data directory", or_empty(agent.data_dir.as_deref())),
    ]);
    let bytes = agent
        .store_bytes
        .map(|bytes| ByteSize::b(bytes).to_string());
    rows.push(("store", or_empty(bytes.as_deref())));
    let set = agent
        .settings
        .iter()
        .filter(|setting| setting.source != SettingSource::Default);
    let settings = set.map(|setting| {
        [
            clean(&setting.key),
            or_empty(setting.value.as_deref()),
            setting.source.to_string(),
        ]
    });
    let columns = [column("setting", 0), column("value", 0), column("from", 1)];
    let settings = grid(columns, settings, screen);
    format!("{}\n{settings}", pairs(rows, screen))
}

fn addresses(addresses: &AgentAddresses) -> Vec<(&'static str, String)> {
    let AgentAddresses {
        api,
        api_advertised,
        health,
        traffic,
        gossip,
        gossip_advertised,
        cache,
    } = addresses;
    let told = gossip_advertised.filter(|told| Some(*told) != *gossip);
    let sockets = [
        ("gossip", gossip),
        ("gossip advertised", &told),
        ("API", api),
        ("health", health),
        ("traffic", traffic),
        ("cache", cache),
    ];
    let sockets = sockets
        .into_iter()
        .filter_map(|(name, address)| Some((name, address.as_ref()?.to_string())));
    let api = api_advertised.iter();
    sockets
        .chain(api.map(|api| ("API advertised", clean(api))))
        .collect()
}
