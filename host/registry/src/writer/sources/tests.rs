use std::time::{Duration, Instant};

use super::{HeardSources, SOURCE_KEPT};
use crate::fixtures;
use crate::view::View;
use crate::writer::batch::Batch;
use edge_cache_core::effective::DecisionLimits;
use edge_cache_core::{EdgeCacheError, EdgeCacheStats, Entry, Limits, SOURCES_MAX, SourceId};

fn source(number: usize) -> SourceId {
    SourceId {
        node_id: 7,
        name: format!("cache-{number}").parse().unwrap(),
    }
}

/// Returns a batch in which node 7 is registered and these sources have counters.
fn batch(sources: impl Iterator<Item = usize>) -> Batch {
    let node = fixtures::node(7);
    let stats = EdgeCacheStats::default();
    let view = View {
        entries: [Entry { node, stats }].into_iter().collect(),
        sources: sources.map(|number| (source(number), stats)).collect(),
        ..fixtures::view()
    };
    let limits: DecisionLimits = (&Limits::default()).into();
    Batch::new(&view, Some(7), limits)
}

#[test]
fn only_sources_of_registered_nodes_are_admitted() {
    let start = Instant::now();
    let sources = HeardSources::new(start);
    let mut unknown = source(1);
    unknown.node_id = 8;
    let mut batch = batch(0..0);
    assert_eq!(sources.admit(&mut batch, &source(1), start), Ok(()));
    let refused = Err(EdgeCacheError::NodeNotFound(8));
    assert_eq!(sources.admit(&mut batch, &unknown, start), refused);
}

#[test]
fn a_source_too_many_is_refused_until_another_was_silent_for_a_day() {
    let start = Instant::now();
    let mut sources = HeardSources::new(start);
    let mut batch = batch(0..SOURCES_MAX);
    let limit = SOURCES_MAX;
    let refused = Err(EdgeCacheError::TooManySources { limit });
    let new = source(SOURCES_MAX);
    assert_eq!(sources.admit(&mut batch, &new, start), refused);
    assert_eq!(sources.admit(&mut batch, &source(3), start), Ok(()));
    // All are heard again but one.
    let later = start + SOURCE_KEPT - Duration::from_secs(1);
    for number in (0..SOURCES_MAX).filter(|number| *number != 5) {
        sources.heard(&batch, &source(number), later);
    }
    assert_eq!(sources.admit(&mut batch, &new, later), refused);
    let day = start + SOURCE_KEPT;
    assert_eq!(sources.admit(&mut batch, &new, day), Ok(()));
    assert!(!batch.sources.contains_key(&source(5)), "it makes room");
    assert_eq!(batch.sources.len(), SOURCES_MAX - 1);
    batch.set_source(new.clone(), Some(EdgeCacheStats::default()));
    sources.heard(&batch, &new, day);
    // The one that made room is now itself one too many.
    assert_eq!(sources.admit(&mut batch, &source(5), day), refused);
}

#[test]
fn sources_that_are_not_remembered_fill_no_memory() {
    let start = Instant::now();
    let mut sources = HeardSources::new(start);
    let batch = batch(0..2);
    for number in 0..3 * SOURCES_MAX {
        sources.heard(&batch, &source(number), start);
    }
    assert!(sources.heard.len() <= SOURCES_MAX + 1);
}
