//! Events of the event stream.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Health, NodeCapacity, NodeId, PeerInfo, Timestamp};

/// A change of the registry or of the cluster. As JSON it is the data of the event, without its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, strum::IntoStaticStr)]
#[serde(untagged)]
#[strum(serialize_all = "lowercase")]
#[non_exhaustive]
pub enum Event {
    /// The whole state: the first event of a stream, and wherever events are missing.
    Snapshot(ClusterState),
    /// A node was enabled.
    Enabled(EnabledNode),
    /// A node is no longer eligible.
    Disabled(NodeRef),
    /// A peer is alive.
    Joined(PeerInfo),
    /// The info of a peer changed.
    Updated(PeerInfo),
    /// A peer said that it leaves.
    Left(NodeRef),
    /// A peer is silent without a leave, or its info became invalid.
    Failed(NodeRef),
    /// The readiness of this agent, or a warning, changed.
    Health(Health),
}

/// The state of the registry and of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterState {
    /// The eligible nodes, in ascending order of node id.
    pub nodes: Vec<EnabledNode>,
    /// The live peers, in ascending order of node id.
    pub peers: Vec<PeerInfo>,
}

/// An eligible node in an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnabledNode {
    /// The id of the node.
    pub node_id: NodeId,
    /// The capacity of the node.
    pub capacity: NodeCapacity,
    /// The time of the last enable.
    pub enabled_at: Timestamp,
}

/// A reference to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRef {
    /// The id of the node.
    pub node_id: NodeId,
}

impl Event {
    /// Returns the name of the event.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.into()
    }

    /// Reads an event from its name and data; `None` where this version does not know it.
    #[must_use]
    pub fn from_parts(name: &str, data: &Value) -> Option<Self> {
        Some(match name {
            "snapshot" => Self::Snapshot(Deserialize::deserialize(data).ok()?),
            "enabled" => Self::Enabled(Deserialize::deserialize(data).ok()?),
            "disabled" => Self::Disabled(Deserialize::deserialize(data).ok()?),
            "joined" => Self::Joined(Deserialize::deserialize(data).ok()?),
            "updated" => Self::Updated(Deserialize::deserialize(data).ok()?),
            "left" => Self::Left(Deserialize::deserialize(data).ok()?),
            "failed" => Self::Failed(Deserialize::deserialize(data).ok()?),
            "health" => Self::Health(Deserialize::deserialize(data).ok()?),
            _ => return None,
        })
    }
}
