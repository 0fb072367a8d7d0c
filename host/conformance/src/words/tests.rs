use std::time::Duration;

use super::*;

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

fn picture() -> Picture {
    Picture {
        list: vec![node(1)],
        nodes: vec![NodePicture {
            node_id: 1,
            is_enabled: true,
            stats: EdgeCacheStats { hits: 1, misses: 2 },
            labels: Labels::from([("edge_cache".to_string(), "true".to_string())]),
        }],
    }
}

#[test]
fn answers_are_in_a_persons_words() {
    let answer: Result<EdgeCacheNode, EdgeCacheError> = Ok(node(7));
    assert_eq!(
        answer.words(),
        "node 7 with 8 cores, 16 MiB RAM and 32 MiB disk without a geo, enabled at 1970-01-01T00:00:01.5Z"
    );
    let found: Result<(), EdgeCacheError> = Err(EdgeCacheError::NodeNotFound(7));
    assert_eq!(
        found.differs_from(&Ok(())),
        "must be success, found the error node-not-found(7)"
    );
    assert_eq!(Vec::<u64>::new().words(), "empty");
    assert_eq!(
        (0..10_u64).collect::<Vec<_>>().words(),
        "[0; 1; 2; 3; 4; 5; 6; 7; 2 more]"
    );
}

#[test]
fn of_two_pictures_only_the_difference_is_said() {
    let before = picture();
    let mut after = picture();
    after.list.clear();
    assert!(
        after
            .differs_from(&before)
            .starts_with("must be as it was, but its list was [node 1 with ")
    );
    let mut after = picture();
    after.nodes[0].stats.hits = 0;
    assert_eq!(
        after.differs_from(&before),
        "must be as it was, but stats of node 1 was 1 hits and 2 misses and is 0 hits and 2 misses"
    );
    let mut after = picture();
    after.nodes[0].labels.clear();
    assert_eq!(
        after.differs_from(&before),
        "must be as it was, but what node 1 publishes was the labels edge_cache=\"true\" and is no labels"
    );
    let mut after = picture();
    after.nodes[0].is_enabled = false;
    assert_eq!(
        after.differs_from(&before),
        "must be as it was, but is-enabled of node 1 was true and is false"
    );
}
