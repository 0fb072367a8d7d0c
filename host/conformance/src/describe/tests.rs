use std::time::Duration;

use super::*;
use edge_cache_core::NodeId;

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

#[test]
fn answers_are_described_in_plain_words() {
    let answer: Result<EdgeCacheNode, EdgeCacheError> = Ok(node(7));
    assert_eq!(
        answer.describe(),
        "node 7 with 8 cores, 16 MiB RAM and 32 MiB disk without a geo, enabled at 1970-01-01T00:00:01.5Z"
    );
    let found: Result<(), EdgeCacheError> = Err(EdgeCacheError::NodeNotFound(7));
    assert_eq!(
        found.difference_from(&Ok(())),
        "must be success, found the error node-not-found(7)"
    );
    assert_eq!(Vec::<u64>::new().describe(), "empty");
    assert_eq!(
        (0..10_u64).collect::<Vec<_>>().describe(),
        "[0; 1; 2; 3; 4; 5; 6; 7; 2 more]"
    );
}
