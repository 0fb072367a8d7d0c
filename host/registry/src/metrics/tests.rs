use std::time::Duration;

use prometheus_client::encoding::prometheus_text;
use prometheus_client::registry::Registry;

use super::{BATCH_BUCKETS, DURATION_BUCKETS, OPERATIONS, RegistryMetrics, results};
use edge_cache_core::EdgeCacheError;

fn text(metrics: &RegistryMetrics) -> String {
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry).unwrap();
    text
}

fn errors() -> [EdgeCacheError; 12] {
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
        EdgeCacheError::NotJoined,
        EdgeCacheError::NoLaterTime(7),
        EdgeCacheError::CountedElsewhere(7),
        EdgeCacheError::TooManySources { limit: 1 },
        EdgeCacheError::ShuttingDown,
    ]
}

#[test]
fn every_operation_and_every_result_has_its_count_from_the_start() {
    let metrics = RegistryMetrics::default();
    let changes = || {
        let text = text(&metrics);
        let lines = text
            .lines()
            .filter(|line| line.starts_with("changes_total{"));
        lines.map(str::to_string).collect::<Vec<_>>()
    };
    let series = OPERATIONS.len() * results().count();
    let before = changes();
    assert_eq!(before.len(), series);
    assert!(before.iter().all(|line| line.ends_with(" 0")), "{before:?}");
    for kind in OPERATIONS {
        metrics.add_result(kind, &Ok(()));
        for error in errors() {
            assert!(results().any(|result| result == error.kind()), "{error:?}");
            metrics.add_result(kind, &Err::<(), _>(error));
        }
    }
    let after = changes();
    assert_eq!(after.len(), series);
    assert!(after.iter().all(|line| line.ends_with(" 1")), "{after:?}");
}

#[test]
fn batches_and_commits_count_by_size_and_time() {
    let metrics = RegistryMetrics::default();
    metrics.add_batch(3, Duration::from_micros(5));
    metrics.add_batch(1, Duration::from_micros(5));
    metrics.add_commit(Duration::from_millis(3));
    metrics.store_failures.inc();
    let text = text(&metrics);
    for expected in [
        "batch_changes_count 2",
        "batch_changes_sum 4.0",
        r#"batch_changes_bucket{le="2"} 1"#,
        r#"store_commit_duration_seconds_bucket{le="0.002"} 0"#,
        r#"store_commit_duration_seconds_bucket{le="0.005"} 1"#,
        "store_failures_total 1",
    ] {
        assert!(
            text.lines().any(|line| line == expected),
            "{expected}: {text}"
        );
    }
    assert!((metrics.writer_busy.get() - 1e-5).abs() < 1e-12);
    assert!(BATCH_BUCKETS.is_sorted() && DURATION_BUCKETS.is_sorted());
}
