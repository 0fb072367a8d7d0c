//! A policy whose setting `policy.mode` decides what it does; by default it admits all and keeps every judgement.

use edge_cache_sdk::{
    Candidate, Labels, Level, NodeCapacity, NodeId, Policy, Settings, export, log,
};

enum Mode {
    /// Keeps everything as it is.
    Open,
    /// Refuses all nodes and labels.
    Closed,
    /// Changes the capacity and the weight, beyond the bounds where the node is 13.
    Change,
    /// Panics when a node is to be admitted.
    Panic,
}

impl Policy for Mode {
    const SETTINGS: &[&str] = &["mode"];

    fn new(settings: &Settings) -> Result<Self, String> {
        match settings.get("mode").unwrap_or("open") {
            "open" => Ok(Self::Open),
            "closed" => Ok(Self::Closed),
            "change" => Ok(Self::Change),
            "panic" => Ok(Self::Panic),
            other => Err(format!("setting \"policy.mode\" is not {other:?}")),
        }
    }

    fn admit(&self, node_id: NodeId, capacity: NodeCapacity) -> Result<NodeCapacity, String> {
        log(Level::Info, &format!("node {node_id} asks"));
        match self {
            Self::Open => Ok(capacity),
            Self::Closed => Err(format!("node {node_id} is not wanted")),
            Self::Change if node_id == 13 => Ok(NodeCapacity {
                geo: Some(String::new()),
                ..capacity
            }),
            Self::Change => Ok(NodeCapacity {
                cpu_cores: 1,
                ..capacity
            }),
            #[expect(clippy::panic, reason = "this is the mode")]
            Self::Panic => panic!("no mind to admit"),
        }
    }

    fn assess(
        &self,
        node_id: NodeId,
        labels: &Labels,
        default: Option<Candidate>,
    ) -> Option<Candidate> {
        match self {
            Self::Open | Self::Panic => default,
            Self::Closed => None,
            Self::Change => Some(Candidate {
                weight: if node_id == 13 { 0 } else { 5 },
                geo: labels.get("edge_cache_geo").map(str::to_string),
            }),
        }
    }
}

export!(Mode);
