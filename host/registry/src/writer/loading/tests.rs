use std::cell::Cell;

use super::*;
use crate::fixtures::node;
use edge_cache_core::EdgeCacheStats;

fn entries(count: NodeId) -> Vec<Entry> {
    let entry = |node_id| Entry {
        node: node(node_id),
        stats: EdgeCacheStats::default(),
    };
    (0..count).map(entry).collect()
}

/// Leaves out the entries of nodes for which `takes` is false. Returns them, and the number of loads.
fn lost(count: NodeId, takes: impl Fn(NodeId) -> bool) -> (Result<Vec<NodeId>, Failure>, usize) {
    let loads = Cell::new(0);
    let start = |entries: &[Entry]| {
        loads.set(loads.get() + 1);
        match entries.iter().find(|entry| !takes(entry.node.node_id)) {
            Some(entry) => Err(Failure::refused(entry.node.node_id.to_string())),
            None => Ok((entries.len(), PublishedLabels::new())),
        }
    };
    let first = start(&entries(count)).unwrap_err();
    let result = leave_out(start, entries(count), first, SEARCH_MAX);
    let lost = result.map(|loaded| {
        assert_eq!(loaded.instance + loaded.lost.len(), count as usize);
        let lost = loaded.lost.into_iter().map(|(node_id, failure)| {
            assert_eq!(failure, Failure::refused(node_id.to_string()));
            node_id
        });
        lost.collect()
    });
    (lost, loads.get())
}

#[test]
fn the_entries_that_are_not_taken_are_found_by_few_loads() {
    for bad in [&[0][..], &[19_999], &[7, 8, 9], &[0, 5_000, 19_998, 19_999]] {
        let (found, loads) = lost(20_000, |node_id| !bad.contains(&node_id));
        assert_eq!(found.unwrap(), bad);
        assert!(loads <= 3 + 16 * bad.len(), "{loads} loads for {bad:?}");
    }
    let (found, _) = lost(1, |_| false);
    assert_eq!(found.unwrap(), [0]);
}

#[test]
fn sixteen_entries_are_left_out_and_no_more() {
    let (found, _) = lost(1_000, |node_id| node_id % 60 != 0 || node_id >= 960);
    assert_eq!(found.unwrap().len(), LOST_MAX);
    let (found, _) = lost(1_000, |node_id| node_id % 60 != 0);
    assert_eq!(found, Err(Failure::refused("0".to_string())));
}

#[test]
fn a_plugin_that_takes_nothing_is_asked_once_more() {
    let loads = Cell::new(0);
    let start = |_: &[Entry]| -> Result<((), PublishedLabels), Failure> {
        loads.set(loads.get() + 1);
        Err(Failure::refused("no".to_string()))
    };
    let refused = Failure::refused("no".to_string());
    leave_out(start, entries(100), refused, SEARCH_MAX).unwrap_err();
    assert_eq!(loads.get(), 1);
}

#[test]
fn a_search_ends_when_its_time_is_over() {
    let loads = Cell::new(0);
    let start = |some: &[Entry]| {
        loads.set(loads.get() + 1);
        match some.len() {
            100 => Err(Failure::refused("no".to_string())),
            _ => Ok(((), PublishedLabels::new())),
        }
    };
    let failure = Failure::refused("no".to_string());
    let found = leave_out(start, entries(100), failure.clone(), Duration::ZERO);
    assert_eq!((found.unwrap_err(), loads.get()), (failure, 1));
}
