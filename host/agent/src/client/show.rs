//! Answers as tables for people.

use comfy_table::{ContentArrangement, Table, presets};

use super::answers::{Gone, Known, Line, Logs, Members, Node, Nodes, Peer, Plugin, Route, Whole};
use super::sse::Event;
use edge_cache_core::text;
use edge_cache_host::{EdgeCacheStats, NodeCapacity};

#[cfg(test)]
mod tests;

/// The longest text of an agent in a cell, in bytes.
const CELL_BYTES_MAX: usize = text::ERROR_BYTES_MAX;
/// What stands where there is nothing.
const NOTHING: &str = "-";

pub(super) fn nodes(answer: &Nodes) -> String {
    let mut table = table(&[
        "node",
        "cores",
        "RAM MiB",
        "disk MiB",
        "geo",
        "advertised",
        "enabled",
    ]);
    for node in &answer.nodes {
        let capacity = &node.capacity;
        table.add_row([
            node.node_id.to_string(),
            capacity.cpu_cores.to_string(),
            capacity.ram_mib.to_string(),
            capacity.disk_mib.to_string(),
            or_nothing(capacity.geo.as_deref()),
            yes(node.advertised),
            clean(&node.enabled_at),
        ]);
    }
    table.to_string()
}

pub(super) fn node(known: &Known) -> String {
    let mut rows = vec![("node", known.node_id.to_string())];
    match &known.capacity {
        Some(capacity) => rows.push(("capacity", self::capacity(capacity))),
        None => rows.push(("registered", yes(false))),
    }
    if let Some(at) = &known.enabled_at {
        rows.push(("enabled", clean(at)));
    }
    rows.push(("advertised", yes(known.advertised)));
    if let Some(stats) = &known.stats {
        rows.push(("hits", stats.hits.to_string()));
        rows.push(("misses", stats.misses.to_string()));
    }
    if let Some(decision) = &known.decision {
        let (op, at, by) = (clean(&decision.op), clean(&decision.at), decision.by);
        rows.push((
            "decision",
            format!("{op} at {at} by the agent of node {by}"),
        ));
        rows.push(("replicated", yes(decision.replicated)));
        if let Some(refused) = &decision.refused {
            rows.push(("refused here", clean(refused)));
        }
    }
    pairs(rows)
}

pub(super) fn stats(stats: &EdgeCacheStats) -> String {
    pairs(vec![
        ("hits", stats.hits.to_string()),
        ("misses", stats.misses.to_string()),
    ])
}

pub(super) fn members(answer: &Members) -> String {
    let mut table = table(&["node", "status", "gossip", "kind", "policy"]);
    for member in &answer.members {
        let kind = if member.is_agent { "agent" } else { "other" };
        table.add_row([
            member.node_id.to_string(),
            clean(&member.status),
            or_nothing(member.address.as_deref()),
            kind.to_string(),
            or_nothing(member.policy.as_deref()),
        ]);
    }
    table.to_string()
}

pub(super) fn route(answer: &Route) -> String {
    let mut table = table(&["node", "weight", "geo"]);
    for replica in &answer.nodes {
        table.add_row([
            replica.node_id.to_string(),
            replica.weight.to_string(),
            or_nothing(replica.geo.as_deref()),
        ]);
    }
    table.to_string()
}

pub(super) fn plugin(plugin: &Plugin) -> String {
    let imports: Vec<String> = plugin.imports.iter().map(|name| clean(name)).collect();
    let mut rows = vec![
        ("name", clean(&plugin.name)),
        ("sha256", clean(&plugin.sha256)),
        ("policy", clean(&plugin.policy)),
        ("state", clean(&plugin.state)),
        ("restarts", plugin.restarts.to_string()),
        ("imports", imports.join("\n")),
    ];
    if let Some(failure) = &plugin.last_failure {
        rows.push(("last failure", clean(failure)));
    }
    pairs(rows)
}

/// Lines as in a log, which a table would only tear apart.
pub(super) fn logs(logs: &Logs) -> String {
    let mut lines: Vec<String> = logs.lines.iter().map(log_line).collect();
    if logs.dropped > 0 {
        lines.push(format!("({} lines were dropped)", logs.dropped));
    }
    lines.join("\n")
}

/// An event in one line; what it says as it came where this is not known here.
pub(super) fn event(event: &Event) -> String {
    let said = match event.name.as_str() {
        "enabled" => read(event)
            .map(|node: Node| format!("node {}  {}", node.node_id, capacity(&node.capacity))),
        "joined" | "updated" => read(event).map(|peer: Peer| {
            let labels = peer.labels.iter();
            let labels: Vec<String> = labels
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            format!("peer {}  {}", peer.node_id, clean(&labels.join(" ")))
        }),
        "disabled" => read(event).map(|gone: Gone| format!("node {}", gone.node_id)),
        "left" => read(event).map(|gone: Gone| format!("peer {}", gone.node_id)),
        "snapshot" => read(event).map(|whole: Whole| {
            let nodes = whole.nodes.iter().map(|node| node.node_id);
            let peers = whole.peers.iter().map(|peer| peer.node_id);
            format!("nodes [{}]  peers [{}]", list(nodes), list(peers))
        }),
        _ => None,
    };
    let said = said.unwrap_or_else(|| clean(&event.data.to_string()));
    let text = format!("{:<8}  {said}", clean(&event.name));
    text.trim_end().to_string()
}

fn read<T: serde::de::DeserializeOwned>(event: &Event) -> Option<T> {
    T::deserialize(&event.data).ok()
}

fn log_line(line: &Line) -> String {
    let (at, level) = (clean(&line.at), clean(&line.level));
    format!(
        "{at} {level:<8} {}: {}",
        clean(&line.context),
        clean(&line.message)
    )
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    table
}

fn pairs(rows: Vec<(&str, String)>) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic);
    for (name, value) in rows {
        table.add_row([name, &value]);
    }
    table.to_string()
}

fn capacity(capacity: &NodeCapacity) -> String {
    let NodeCapacity {
        cpu_cores,
        ram_mib,
        disk_mib,
        geo,
    } = capacity;
    let geo = geo.as_deref().map(|geo| format!(", {}", clean(geo)));
    format!(
        "{cpu_cores} cores, {ram_mib} MiB RAM, {disk_mib} MiB disk{}",
        geo.unwrap_or_default()
    )
}

fn list(ids: impl Iterator<Item = u64>) -> String {
    let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
    ids.join(" ")
}

fn or_nothing(text: Option<&str>) -> String {
    text.map_or_else(|| NOTHING.to_string(), clean)
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_string()
}

fn clean(text: &str) -> String {
    text::clean(text, CELL_BYTES_MAX)
}
