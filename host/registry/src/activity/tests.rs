use std::time::Duration;

use super::{BATCH_BOUNDS, COMMIT_BOUNDS, Counters, OPERATIONS, RESULTS};
use crate::writer::queue::{Operation, Outcome};
use edge_cache_core::EdgeCacheError;
use edge_cache_core::{EdgeCacheStats, NodeCapacity};

fn errors() -> [EdgeCacheError; 8] {
    let text = String::new;
    [
        EdgeCacheError::Gossip(text()),
        EdgeCacheError::NodeNotFound(7),
        EdgeCacheError::InvalidCapacity(text()),
        EdgeCacheError::PluginFailed(text()),
        EdgeCacheError::StoreFailed(text()),
        EdgeCacheError::Full { limit: 1 },
        EdgeCacheError::Busy {
            queue: 1,
            waited_ms: 1,
        },
        EdgeCacheError::ShuttingDown,
    ]
}

#[test]
fn every_operation_and_every_result_has_its_count() {
    let counters = Counters::default();
    for operation in OPERATIONS {
        counters.add_result(operation, &Ok(Outcome::Disabled));
        for error in errors() {
            assert!(RESULTS.contains(&&error.kind()), "{error:?}");
            counters.add_result(operation, &Err(error));
        }
    }
    let results = counters.read().results;
    assert_eq!(results.len(), OPERATIONS.len() * RESULTS.len());
    assert!(results.values().all(|count| *count == 1), "{results:?}");
}

#[test]
fn every_change_that_a_caller_makes_is_one_of_the_operations() {
    let capacity = NodeCapacity {
        cpu_cores: 1,
        ram_mib: 1,
        disk_mib: 1,
        geo: None,
    };
    let node_id = 1;
    let delta = EdgeCacheStats::default();
    for operation in [
        Operation::Enable { node_id, capacity },
        Operation::Disable { node_id },
        Operation::AddStats { node_id, delta },
    ] {
        assert!(OPERATIONS.contains(&operation.name()), "{operation:?}");
    }
}

#[test]
fn batches_and_commits_count_by_size_and_time() {
    let counters = Counters::default();
    counters.add_batch(3, Duration::from_micros(5));
    counters.add_batch(1, Duration::from_micros(5));
    counters.add_commit(Duration::from_millis(3));
    counters.add_store_failure();
    let read = counters.read();
    assert_eq!((read.changes, read.batches), (4, 2));
    assert_eq!((read.batch_sizes.count(), read.batch_sizes.sum), (2, 4));
    assert_eq!(read.busy, Duration::from_micros(10));
    assert_eq!((read.commits.count(), read.store_failures), (1, 1));
    assert!(BATCH_BOUNDS.is_sorted() && COMMIT_BOUNDS.is_sorted());
}
