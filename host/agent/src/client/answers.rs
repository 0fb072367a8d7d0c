//! What an agent answers, as far as the tables show it. Fields that are not here are let be.

use std::collections::BTreeMap;

use serde::Deserialize;

use edge_cache_core::NodeId;
use edge_cache_host::{EdgeCacheStats, NodeCapacity};

/// The eligible nodes.
#[derive(Debug, Deserialize)]
pub(super) struct Nodes {
    pub(super) nodes: Vec<Node>,
}

/// One of them.
#[derive(Debug, Deserialize)]
pub(super) struct Node {
    pub(super) node_id: NodeId,
    pub(super) capacity: NodeCapacity,
    pub(super) enabled_at: String,
    /// An event says nothing of it.
    #[serde(default)]
    pub(super) advertised: bool,
}

/// All that is known of a node. One that is not registered has no capacity and no counters.
#[derive(Debug, Deserialize)]
pub(super) struct Known {
    pub(super) node_id: NodeId,
    pub(super) capacity: Option<NodeCapacity>,
    pub(super) enabled_at: Option<String>,
    pub(super) advertised: bool,
    pub(super) stats: Option<EdgeCacheStats>,
    pub(super) decision: Option<Decision>,
}

/// What all agents go by.
#[derive(Debug, Deserialize)]
pub(super) struct Decision {
    pub(super) op: String,
    pub(super) at: String,
    pub(super) by: NodeId,
    pub(super) replicated: bool,
    pub(super) refused: Option<String>,
}

/// Members of the cluster.
#[derive(Debug, Deserialize)]
pub(super) struct Members {
    pub(super) members: Vec<Member>,
}

/// One of them.
#[derive(Debug, Deserialize)]
pub(super) struct Member {
    pub(super) node_id: NodeId,
    pub(super) status: String,
    pub(super) address: Option<String>,
    pub(super) is_agent: bool,
    pub(super) policy: Option<String>,
}

/// The nodes that serve a key.
#[derive(Debug, Deserialize)]
pub(super) struct Route {
    pub(super) nodes: Vec<Replica>,
}

/// One of them.
#[derive(Debug, Deserialize)]
pub(super) struct Replica {
    pub(super) node_id: NodeId,
    pub(super) weight: u32,
    pub(super) geo: Option<String>,
}

/// The component that decides.
#[derive(Debug, Deserialize)]
pub(super) struct Plugin {
    pub(super) name: String,
    pub(super) sha256: String,
    pub(super) imports: Vec<String>,
    pub(super) state: String,
    pub(super) restarts: u64,
    pub(super) policy: String,
    pub(super) last_failure: Option<String>,
}

/// The latest lines of its log.
#[derive(Debug, Deserialize)]
pub(super) struct Logs {
    pub(super) dropped: u64,
    pub(super) lines: Vec<Line>,
}

/// One of them.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    pub(super) at: String,
    pub(super) level: String,
    pub(super) context: String,
    pub(super) message: String,
}

/// A peer in an event.
#[derive(Debug, Deserialize)]
pub(super) struct Peer {
    pub(super) node_id: NodeId,
    pub(super) labels: BTreeMap<String, String>,
}

/// Somebody who is not there any more.
#[derive(Debug, Deserialize)]
pub(super) struct Gone {
    pub(super) node_id: NodeId,
}

/// The state that events go on from.
#[derive(Debug, Deserialize)]
pub(super) struct Whole {
    pub(super) nodes: Vec<Node>,
    pub(super) peers: Vec<Peer>,
}
