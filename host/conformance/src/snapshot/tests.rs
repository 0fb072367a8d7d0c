use std::time::{Duration, SystemTime};

use super::*;
use edge_cache_core::NodeCapacity;

fn node(node_id: NodeId) -> EdgeCacheNode {
    EdgeCacheNode {
        node_id,
        capacity: NodeCapacity {
            cpu_cores: 8,
            ram_mib: 16,
            disk_mib: 32,
            geo: None,
        },
        enabled_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_500),
    }
}

fn one_node() -> Snapshot {
    Snapshot {
        list: vec![node(1)],
        nodes: vec![NodeSnapshot {
            node_id: 1,
            is_enabled: true,
            stats: EdgeCacheStats { hits: 1, misses: 2 },
            labels: Labels::from([("edge_cache".to_string(), "true".to_string())]),
        }],
    }
}

#[test]
fn only_the_first_difference_is_described() {
    let before = one_node();
    let mut after = one_node();
    after.list.clear();
    assert!(
        after
            .difference_from(&before)
            .starts_with("must be as it was, but its list was [node 1 with ")
    );
    let mut after = one_node();
    after.nodes[0].stats.hits = 0;
    assert_eq!(
        after.difference_from(&before),
        "must be as it was, but stats of node 1 was 1 hits and 2 misses and is 0 hits and 2 misses"
    );
    let mut after = one_node();
    after.nodes[0].labels.clear();
    assert_eq!(
        after.difference_from(&before),
        "must be as it was, but what node 1 publishes was the labels edge_cache=\"true\" and is no labels"
    );
    let mut after = one_node();
    after.nodes[0].is_enabled = false;
    assert_eq!(
        after.difference_from(&before),
        "must be as it was, but is-enabled of node 1 was true and is false"
    );
}
