//! Paths of the operations.

use edge_cache_core::{NodeId, SourceName};

/// All eligible nodes: list, replace.
pub const NODES: &str = "/api/v1/edge-cache/nodes";
/// The effective decisions.
pub const DECISIONS: &str = "/api/v1/edge-cache/decisions";
/// The nodes that serve a key.
pub const ROUTE: &str = "/api/v1/edge-cache/route";
/// The live peers, as ZLayer shows them.
pub const PEERS: &str = "/api/v1/cluster/gossip/peers";
/// The members of the cluster.
pub const MEMBERS: &str = "/api/v1/cluster/members";
/// The event stream.
pub const EVENTS: &str = "/api/v1/events";
/// The plugin: show, swap.
pub const PLUGIN: &str = "/api/v1/plugin";
/// The latest lines of the plugin's log.
pub const PLUGIN_LOGS: &str = "/api/v1/plugin/logs";
/// Reads the declared plugin again.
pub const PLUGIN_RELOAD: &str = "/api/v1/plugin/reload";
/// Goes back to the declared plugin.
pub const PLUGIN_REVERT: &str = "/api/v1/plugin/revert";
/// The agent itself.
pub const AGENT: &str = "/api/v1/agent";
/// Reads the settings and the files of the agent again.
pub const RELOAD: &str = "/api/v1/agent/reload";
/// Leaves the cluster and ends the agent.
pub const LEAVE: &str = "/api/v1/agent/leave";
/// A snapshot of the store.
pub const SNAPSHOT: &str = "/api/v1/snapshot";
/// The OpenAPI document.
pub const OPENAPI: &str = "/openapi.json";
/// The metrics in Prometheus' text format.
pub const METRICS: &str = "/metrics";
/// Liveness.
pub const LIVEZ: &str = "/health/livez";
/// Readiness.
pub const READYZ: &str = "/health/readyz";

/// Returns the path of the registration of a node: enable, disable, show.
#[must_use]
pub fn node(node_id: NodeId) -> String {
    format!("/api/v1/nodes/{node_id}/edge-cache")
}

/// Returns the path of a failed member, which is forgotten by `DELETE`.
#[must_use]
pub fn peer(node_id: NodeId) -> String {
    format!("/api/v1/cluster/gossip/peers/{node_id}")
}

/// Returns the path of the counters of a node.
#[must_use]
pub fn node_stats(node_id: NodeId) -> String {
    format!("/api/v1/nodes/{node_id}/edge-cache/stats")
}

/// Returns the path of a source of the counters of a node.
#[must_use]
pub fn stats_source(node_id: NodeId, source: &SourceName) -> String {
    format!("/api/v1/nodes/{node_id}/edge-cache/stats/sources/{source}")
}
