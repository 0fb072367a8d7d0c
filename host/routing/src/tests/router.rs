//! Readers and the writer: limits, refusals, and tables that are old or new.

use std::sync::atomic::{AtomicBool, Ordering};

use super::super::{
    CANDIDATES_MAX, CandidateError, REPLICAS_MAX, Router, SLOTS, Update, WEIGHT_MAX,
};
use super::{Candidates, candidate, nodes, router};

#[test]
fn without_candidates_nobody_serves() {
    let (router, mut writer) = Router::new();
    assert!(router.route(b"key", 3, None).is_empty());
    writer.update(&nodes(2), None).unwrap();
    assert_eq!(router.route(b"key", 3, None).len(), 2);
    writer.update(&Candidates::new(), Some("eu")).unwrap();
    assert!(router.route(b"key", 3, Some("eu")).is_empty());
    assert!(router.table().is_empty());
}

#[test]
fn no_more_nodes_than_asked_for_than_there_are_and_than_the_limit() {
    let (router, _writer) = router(&nodes(10), Some("eu"));
    for from in [None, Some("eu"), Some("us-east-1")] {
        for replicas in [0, 1, 3, 4, REPLICAS_MAX, REPLICAS_MAX + 1, usize::MAX] {
            let nodes = router.route(b"key", replicas, from);
            assert_eq!(nodes.len(), replicas.min(REPLICAS_MAX));
        }
    }
}

#[test]
fn refused_candidates_leave_the_table_in_force() {
    let (router, mut writer) = router(&nodes(5), None);
    let before = router.route(b"key", 8, None);
    for weight in [0, WEIGHT_MAX + 1] {
        let mut candidates = nodes(9);
        candidates.insert(7, candidate(weight, None));
        assert_eq!(
            writer.update(&candidates, Some("eu")),
            Err(CandidateError::Weight { node_id: 7, weight })
        );
    }
    let count = CANDIDATES_MAX + 1;
    assert_eq!(
        writer.update(&nodes(count as u64), None),
        Err(CandidateError::TooMany { count })
    );
    assert_eq!(router.route(b"key", 8, None), before);
    assert_eq!(writer.update(&nodes(5), None), Ok(Update::default()));
}

#[test]
fn an_update_says_how_many_nodes_it_concerned() {
    let (_router, mut writer) = router(&nodes(5), None);
    let mut candidates = nodes(7);
    candidates.remove(&1);
    candidates.insert(2, candidate(99, None));
    let update = Update {
        joined: 2,
        left: 1,
        changed: 1,
    };
    assert_eq!(writer.update(&candidates, None), Ok(update));
}

#[test]
fn an_update_without_a_change_leaves_the_very_table() {
    let (router, mut writer) = router(&nodes(5), None);
    let before = router.table();
    writer.update(&nodes(5), None).unwrap();
    assert!(std::sync::Arc::ptr_eq(&before, &router.table()));
}

#[test]
fn a_clone_follows_every_update() {
    let (router, mut writer) = router(&nodes(2), None);
    let clone = router.clone();
    assert_eq!(clone.route(b"key", 8, None).len(), 2);
    writer.update(&nodes(3), None).unwrap();
    assert_eq!(clone.route(b"key", 8, None), router.route(b"key", 8, None));
    assert_eq!(clone.route(b"key", 8, None).len(), 3);
}

#[test]
fn readers_see_the_old_table_or_the_new_one() {
    let (few, many) = (nodes(6), nodes(8));
    let (router, mut writer) = router(&few, None);
    let old = router.table();
    writer.update(&many, None).unwrap();
    let new = router.table();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = [0_u32; 2];
            while !done.load(Ordering::Acquire) {
                let table = router.table();
                let expected = [&old, &new]
                    .map(|table| table.len())
                    .iter()
                    .position(|n| *n == table.len());
                let at = expected.unwrap();
                for slot in (0..SLOTS as u32).step_by(4_099) {
                    let like = [&old, &new][at].route_slot(slot, 3, None);
                    assert_eq!(table.route_slot(slot, 3, None), like);
                }
                seen[at] += 1;
            }
            seen
        });
        for _ in 0..2 {
            writer.update(&few, None).unwrap();
            writer.update(&many, None).unwrap();
        }
        done.store(true, Ordering::Release);
        assert!(reader.join().unwrap().iter().sum::<u32>() > 0);
    });
}
