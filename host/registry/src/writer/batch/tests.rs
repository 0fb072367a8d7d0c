use std::time::SystemTime;

use super::*;
use crate::view::Status;
use edge_cache_core::{EdgeCacheNode, NodeCapacity, PluginState};

fn empty(limits: DecisionLimits) -> Batch {
    let view = View {
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
    };
    Batch::new(&view, Some(7), limits)
}

fn enable(node_id: NodeId) -> Decision {
    let node = EdgeCacheNode {
        node_id,
        capacity: NodeCapacity {
            cpu_cores: 1,
            ram_mib: 1,
            disk_mib: 1,
            geo: None,
        },
        enabled_at: SystemTime::UNIX_EPOCH,
    };
    Decision::enable(&node, Timestamp::at_ms(1), 1)
}

#[test]
fn decisions_that_come_and_go_in_one_batch_are_noted_as_forgotten() {
    let limits = DecisionLimits {
        nodes_max: 1,
        tombstones: 1,
    };
    let mut batch = empty(limits);
    for node_id in [9, 8, 7, 6] {
        batch.set_decision(enable(node_id), Some(SetAside::Full));
    }
    for (node_id, at) in [(3, 1), (4, 2)] {
        let disable = Decision::disable(node_id, Timestamp::at_ms(at), 1);
        batch.set_decision(disable, None);
    }
    let forgotten = batch.forgotten.iter().map(|it| it.decision.node_id);
    assert_eq!(Vec::from_iter(forgotten), [9, 8, 3]);
    let changed = batch.decided.iter().copied();
    assert_eq!(Vec::from_iter(changed), [3, 4, 6, 7, 8, 9]);
    assert_eq!(batch.decisions.counts().enabled, 2);
}
