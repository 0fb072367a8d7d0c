//! Responses as tables and lines for people. Unprintable characters from the network are replaced.

use std::net::SocketAddr;

use comfy_table::{ContentArrangement, Table, presets};
use edge_cache_client::{
    Decision, Event, LogLine, MemberList, NodeCapacity, NodeDetails, NodeList, NodeStats, Plugin,
    PluginLog, ReceivedEvent, Route,
};
use edge_cache_core::text;

use super::change::NOBODY;

#[cfg(test)]
mod tests;

/// The longest text of an agent in a cell, in bytes.
const CELL_BYTES_MAX: usize = text::ERROR_BYTES_MAX;
/// The content of an empty cell.
const EMPTY: &str = "-";

pub(super) fn nodes(list: &NodeList) -> String {
    let header = [
        "node",
        "cores",
        "RAM MiB",
        "disk MiB",
        "geo",
        "advertised",
        "address",
        "hit ratio",
        "enabled",
    ];
    let rows = list.nodes.iter().map(|node| {
        let capacity = &node.capacity;
        [
            node.node_id.to_string(),
            capacity.cpu_cores.to_string(),
            capacity.ram_mib.to_string(),
            capacity.disk_mib.to_string(),
            or_empty(capacity.geo.as_deref()),
            seen(node.advertised),
            address(node.address),
            percent(node.hit_ratio),
            node.enabled_at.to_string(),
        ]
    });
    table(rows).set_header(header).to_string()
}

pub(super) fn node(details: &NodeDetails) -> String {
    match details {
        NodeDetails::Registered(node) => {
            let mut rows = vec![
                ("node", node.node_id.to_string()),
                ("capacity", capacity(&node.capacity)),
                ("enabled", node.enabled_at.to_string()),
                ("advertised", seen_of(node.advertised, node.alive)),
                (
                    "address",
                    address_or_reason(node.address, node.address_refused.as_deref()),
                ),
                ("hits", node.stats.hits.to_string()),
                ("misses", node.stats.misses.to_string()),
                ("hit ratio", percent(node.stats.hit_ratio)),
            ];
            rows.extend(node.decision.iter().flat_map(decision));
            pairs(rows)
        }
        NodeDetails::Unregistered(node) => {
            let mut rows = vec![
                ("node", node.node_id.to_string()),
                ("registered", yes(node.registered)),
                ("advertised", seen_of(node.advertised, node.alive)),
            ];
            rows.extend(node.decision.iter().flat_map(decision));
            pairs(rows)
        }
    }
}

fn decision(decision: &Decision) -> Vec<(&'static str, String)> {
    let Decision { op, at, by, .. } = decision;
    let mut rows = vec![
        (
            "decision",
            format!("{op} at {at} by the agent of node {by}"),
        ),
        ("replicated", yes(decision.replicated)),
    ];
    if let Some(reason) = &decision.refused {
        rows.push(("refused here", clean(reason)));
    }
    if let Some(reason) = &decision.refused_by_node {
        rows.push(("refused by its agent", clean(reason)));
    }
    if let Some(at) = &decision.overruled {
        rows.push(("overruled", format!("this agent's decision at {at}")));
    }
    rows
}

pub(super) fn stats(stats: &NodeStats) -> String {
    let by = stats.counted_by.map(|by| format!("the agent of node {by}"));
    pairs(vec![
        ("hits", stats.hits.to_string()),
        ("misses", stats.misses.to_string()),
        ("hit ratio", percent(stats.hit_ratio)),
        ("counted by", or_empty(by.as_deref())),
    ])
}

pub(super) fn members(list: &MemberList) -> String {
    let rows = list.members.iter().map(|member| {
        let kind = if member.is_agent { "agent" } else { "other" };
        [
            member.node_id.to_string(),
            member.status.to_string(),
            address(member.gossip_address),
            address_or_reason(member.address, member.address_refused.as_deref()),
            kind.to_string(),
            or_empty(member.policy.as_deref()),
        ]
    });
    let header = ["node", "status", "gossip", "address", "kind", "policy"];
    table(rows).set_header(header).to_string()
}

pub(super) fn route(route: &Route) -> String {
    let rows = route.nodes.iter().map(|replica| {
        [
            replica.node_id.to_string(),
            replica.weight.to_string(),
            or_empty(replica.geo.as_deref()),
            address(replica.address),
        ]
    });
    table(rows)
        .set_header(["node", "weight", "geo", "address"])
        .to_string()
}

pub(super) fn plugin(plugin: &Plugin) -> String {
    let imports: Vec<String> = plugin.imports.iter().map(|name| clean(name)).collect();
    let mut rows = vec![
        ("name", clean(&plugin.name)),
        ("sha256", clean(&plugin.sha256)),
        ("policy", clean(&plugin.policy)),
        ("state", plugin.state.to_string()),
        ("restarts", plugin.restarts.to_string()),
        ("imports", imports.join("\n")),
    ];
    if let Some(failure) = &plugin.last_failure {
        rows.push(("last failure", clean(failure)));
    }
    pairs(rows)
}

/// Formats a log as lines: a table would break them.
pub(super) fn logs(log: &PluginLog) -> String {
    let mut lines: Vec<String> = log.lines.iter().map(log_line).collect();
    if log.dropped > 0 {
        lines.push(format!("({} lines were dropped)", log.dropped));
    }
    lines.join("\n")
}

/// Formats an event as one line, with its data as JSON where this version does not know it.
pub(super) fn event(received: &ReceivedEvent) -> String {
    let content = match received.event() {
        Some(Event::Snapshot(state)) => {
            let nodes = state.nodes.iter().map(|node| node.node_id);
            let peers = state.peers.iter().map(|peer| peer.node_id);
            format!("nodes [{}]  peers [{}]", ids(nodes), ids(peers))
        }
        Some(Event::Enabled(node)) => {
            format!("node {}  {}", node.node_id, capacity(&node.capacity))
        }
        Some(Event::Disabled(node)) => format!("node {}", node.node_id),
        Some(Event::Joined(peer) | Event::Updated(peer)) => {
            let labels = peer.labels.iter();
            let labels: Vec<String> = labels
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            format!("peer {}  {}", peer.node_id, clean(&labels.join(" ")))
        }
        Some(Event::Left(node) | Event::Failed(node)) => format!("peer {}", node.node_id),
        _ => clean(&received.data.to_string()),
    };
    let line = format!("{:<8}  {content}", clean(&received.name));
    line.trim_end().to_string()
}

fn log_line(line: &LogLine) -> String {
    format!(
        "{} {:<8} {}: {}",
        line.at,
        <&str>::from(line.level),
        clean(&line.context),
        clean(&line.message)
    )
}

fn table<const N: usize>(rows: impl IntoIterator<Item = [String; N]>) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .add_rows(rows);
    table
}

fn pairs(rows: Vec<(&str, String)>) -> String {
    let rows = rows
        .into_iter()
        .map(|(name, value)| [name.to_string(), value]);
    table(rows).to_string()
}

fn capacity(capacity: &NodeCapacity) -> String {
    let NodeCapacity {
        cpu_cores,
        ram_mib,
        disk_mib,
        geo,
    } = capacity;
    let geo = geo.as_deref().map(|geo| format!(", {}", clean(geo)));
    let cores = if *cpu_cores == 1 { "core" } else { "cores" };
    format!(
        "{cpu_cores} {cores}, {ram_mib} MiB RAM, {disk_mib} MiB disk{}",
        geo.unwrap_or_default()
    )
}

fn ids(ids: impl Iterator<Item = u64>) -> String {
    let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
    ids.join(" ")
}

fn address(address: Option<SocketAddr>) -> String {
    address.map_or_else(|| EMPTY.to_string(), |address| address.to_string())
}

/// Formats the address of a cache, or why it counts as none.
fn address_or_reason(given: Option<SocketAddr>, refused: Option<&str>) -> String {
    refused.map_or_else(
        || address(given),
        |reason| format!("refused: {}", clean(reason)),
    )
}

fn or_empty(text: Option<&str>) -> String {
    text.map_or_else(|| EMPTY.to_string(), clean)
}

/// Formats a share of hits, which a node without counted requests does not have.
fn percent(ratio: Option<f64>) -> String {
    ratio.map_or_else(
        || EMPTY.to_string(),
        |ratio| format!("{:.1} %", ratio * 100.0),
    )
}

/// Formats whether a node advertises its labels; a member that is no agent does not say so.
fn seen(advertised: Option<bool>) -> String {
    advertised.map_or_else(|| EMPTY.to_string(), yes)
}

/// Formats whether one node advertises its labels, with the reason if nobody can.
fn seen_of(advertised: Option<bool>, is_alive: bool) -> String {
    let seen = seen(advertised);
    match advertised {
        Some(false) if !is_alive => format!("{seen}: {NOBODY}"),
        _ => seen,
    }
}

fn yes(value: bool) -> String {
    if value { "yes" } else { "no" }.to_string()
}

fn clean(text: &str) -> String {
    text::clean(text, CELL_BYTES_MAX)
}
