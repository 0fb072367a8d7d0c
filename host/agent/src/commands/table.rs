//! Responses as tables and lines for people. Unprintable characters from the network are replaced.

use std::net::SocketAddr;

use anstyle::{AnsiColor, Style};
use edge_cache_client::{
    Decision, Event, LogLine, MemberList, MemberStatus, NodeCapacity, NodeDetails, NodeList,
    NodeStats, Plugin, PluginLog, ReceivedEvent, ReloadReport, Route, Timestamp,
};
use edge_cache_core::text;

use super::change::NOBODY;
use super::grid::{column, grid, pairs};
use crate::screen::Screen;

#[cfg(test)]
mod tests;

/// The longest text of an agent in a cell, in bytes.
const CELL_BYTES_MAX: usize = text::ERROR_BYTES_MAX;
/// The content of an empty cell.
const EMPTY: &str = "-";

pub(super) fn nodes(list: &NodeList, screen: Screen) -> String {
    let columns = [
        column("node", 0),
        column("cores", 3),
        column("RAM MiB", 4),
        column("disk MiB", 5),
        column("geo", 1),
        column("advertised", 0),
        column("address", 2),
        column("hit ratio", 6),
        column("enabled", 7),
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
    let table = grid(columns, rows, screen);
    match list.next {
        Some(next) => format!("{table}\n(more follow: `--after {next}`)"),
        None => table,
    }
}

pub(super) fn node(details: &NodeDetails, screen: Screen) -> String {
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
            pairs(rows, screen)
        }
        NodeDetails::Unregistered(node) => {
            let mut rows = vec![
                ("node", node.node_id.to_string()),
                ("registered", yes(node.registered)),
                ("advertised", seen_of(node.advertised, node.alive)),
            ];
            rows.extend(node.decision.iter().flat_map(decision));
            pairs(rows, screen)
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

pub(super) fn stats(stats: &NodeStats, screen: Screen) -> String {
    let by = stats.counted_by.map(|by| format!("the agent of node {by}"));
    let rows = vec![
        ("hits", stats.hits.to_string()),
        ("misses", stats.misses.to_string()),
        ("hit ratio", percent(stats.hit_ratio)),
        ("counted by", or_empty(by.as_deref())),
    ];
    pairs(rows, screen)
}

pub(super) fn members(list: &MemberList, screen: Screen) -> String {
    let rows = list.members.iter().map(|member| {
        // A silent member has no record any more.
        let is_known = matches!(member.status, MemberStatus::Alive | MemberStatus::Leaving);
        let kind = match member.is_agent {
            true => "agent",
            false if is_known => "other",
            false => "-",
        };
        [
            member.node_id.to_string(),
            member.status.to_string(),
            address(member.gossip_address),
            address_or_reason(member.address, member.address_refused.as_deref()),
            kind.to_string(),
            or_empty(member.policy.as_deref()),
        ]
    });
    let columns = [
        column("node", 0),
        column("status", 0),
        column("gossip", 1),
        column("address", 2),
        column("kind", 4),
        column("policy", 3),
    ];
    grid(columns, rows, screen)
}

pub(super) fn route(route: &Route, screen: Screen) -> String {
    let rows = route.nodes.iter().map(|replica| {
        [
            replica.node_id.to_string(),
            replica.weight.to_string(),
            or_empty(replica.geo.as_deref()),
            address(replica.address),
        ]
    });
    let columns = [
        column("node", 0),
        column("weight", 1),
        column("geo", 2),
        column("address", 0),
    ];
    grid(columns, rows, screen)
}

pub(super) fn plugin(plugin: &Plugin, screen: Screen) -> String {
    let imports: Vec<String> = plugin.imports.iter().map(|name| clean(name)).collect();
    let mut rows = vec![
        ("name", clean(&plugin.name)),
        ("source", clean(&plugin.origin.source)),
        ("sha256", clean(&plugin.sha256)),
        ("policy", clean(&plugin.policy)),
        ("settings", plugin_settings(plugin)),
        ("state", plugin.state.to_string()),
        ("restarts", plugin.restarts.to_string()),
        ("imports", imports.join("\n")),
    ];
    if let Some(pulled_at) = plugin.origin.pulled_at {
        rows.push(("pulled at", pulled_at.to_string()));
    }
    if let Some(rule) = &plugin.origin.rule {
        let keys = plugin.origin.keys.join(", ");
        rows.push(("trusted by", clean(&format!("{rule}: {keys}"))));
    }
    if !plugin.is_declared {
        let declared = &plugin.declared;
        let text = format!("{}\nsha256 {}", declared.source, declared.sha256);
        rows.push((
            "declared",
            text.lines().map(clean).collect::<Vec<_>>().join("\n"),
        ));
    }
    if let Some(refusal) = &plugin.refusal {
        rows.push(("refused", clean(refusal)));
    }
    if let Some(failure) = &plugin.last_failure {
        rows.push(("last failure", clean(failure)));
    }
    pairs(rows, screen)
}

/// Formats the names of a plugin's settings.
pub(super) fn plugin_settings(plugin: &Plugin) -> String {
    let names: Vec<_> = plugin.settings.iter().map(|name| clean(name)).collect();
    or_empty(
        Some(names.join(", "))
            .filter(|names| !names.is_empty())
            .as_deref(),
    )
}

pub(super) fn reload(report: &ReloadReport, screen: Screen) -> String {
    let rows = report.parts.iter().map(|part| {
        let outcome = part.outcome.to_string();
        [clean(&part.part), outcome, clean(&part.detail)]
    });
    let columns = [column("part", 0), column("outcome", 0), column("detail", 0)];
    grid(columns, rows, screen)
}

/// Formats a log as lines: a table would break them.
pub(super) fn logs(log: &PluginLog, _: Screen) -> String {
    let mut lines: Vec<String> = log.lines.iter().map(log_line).collect();
    if log.dropped > 0 {
        lines.push(format!("({} lines were dropped)", log.dropped));
    }
    lines.join("\n")
}

/// Formats an event as one line: when it came, its name, and its content, as JSON where this version does not know it.
pub(super) fn event(at: Timestamp, received: &ReceivedEvent, screen: Screen) -> String {
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
    let name = clean(&received.name);
    let style = if screen.has_colours {
        event_style(&name)
    } else {
        Style::new()
    };
    let line = format!("{at}  {style}{name:<8}{style:#}  {content}");
    line.trim_end().to_string()
}

fn event_style(name: &str) -> Style {
    match name {
        "enabled" | "joined" => AnsiColor::Green.on_default(),
        "disabled" | "left" => AnsiColor::Yellow.on_default(),
        "failed" => AnsiColor::Red.on_default(),
        _ => Style::new(),
    }
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

pub(super) fn capacity(capacity: &NodeCapacity) -> String {
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

pub(super) fn or_empty(text: Option<&str>) -> String {
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

pub(super) fn clean(text: &str) -> String {
    text::clean(text, CELL_BYTES_MAX)
}
