//! A node and a view for unit tests.

use std::time::SystemTime;

use crate::view::{Status, View};
use edge_cache_core::{EdgeCacheNode, NodeCapacity, NodeId, PluginState};

/// Returns a node of the least capacity.
pub(crate) fn node(node_id: NodeId) -> EdgeCacheNode {
    EdgeCacheNode {
        node_id,
        capacity: NodeCapacity {
            cpu_cores: 1,
            ram_mib: 1,
            disk_mib: 1,
            geo: None,
        },
        enabled_at: SystemTime::UNIX_EPOCH,
    }
}

/// Returns the view of a registry that runs and has no nodes.
pub(crate) fn view() -> View {
    View {
        entries: Default::default(),
        decisions: Default::default(),
        overruled: Default::default(),
        sources: Default::default(),
        status: Status {
            state: PluginState::Running,
            restarts: 0,
            last_failure: None,
            store_failure: None,
        },
    }
}
