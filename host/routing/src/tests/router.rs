//! Readers and the writer: limits, refusals, and tables that are old or new.

use std::sync::atomic::{AtomicBool, Ordering};

use super::super::roster::check;
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
    let before = clone.route(b"key", 8, None);
    assert_eq!(before.len(), 2);
    writer.update(&nodes(3), None).unwrap();
    assert_ne!(clone.route(b"key", 8, None), before);
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

#[test]
fn among_some_nodes_the_best_are_those_of_a_cluster_of_them_alone() {
    let all = nodes(40);
    let mut odd = all.clone();
    odd.retain(|id, _| id % 2 == 1);
    let (all, odd) = (router(&all, None).0, router(&odd, None).0);
    for key in 0..200_u32 {
        let key = key.to_le_bytes();
        for from in [None, Some("eu-central-1"), Some("mars")] {
            let among = |replicas| {
                all.table()
                    .route_among(&key, replicas, from, |id| id % 2 == 1)
            };
            assert_eq!(among(8), odd.route(&key, 8, from));
            assert_eq!(among(2), odd.route(&key, 2, from));
        }
    }
}

#[test]
fn a_table_tells_its_candidates_its_home_and_its_size() {
    let candidates = nodes(9);
    let (router, mut writer) = router(&candidates, Some("eu"));
    let table = router.table();
    let told: Candidates = table
        .candidates()
        .map(|(id, weight, geo)| (id, candidate(weight, geo)))
        .collect();
    assert_eq!(told, candidates);
    assert_eq!(table.candidate(3).as_ref(), candidates.get(&3));
    assert_eq!(table.candidate(9), None);
    assert_eq!((table.len(), table.is_empty()), (9, false));
    assert_eq!(table.home(), Some("eu"));
    // Six bytes of indexes and four of a bound for each slot, once for all and once for the home.
    let memos = 2 * SLOTS * 10;
    assert!(
        (memos + 1..memos + 4_096).contains(&table.bytes()),
        "{}",
        table.bytes()
    );
    // From a region without nodes, all are equally near.
    writer.update(&candidates, Some("mars")).unwrap();
    assert!(router.table().bytes() < memos);
    writer.update(&Candidates::new(), None).unwrap();
    assert_eq!(router.table().bytes(), 0);
    assert_eq!(router.table().home(), None);
}

#[test]
fn an_update_concerned_a_node_if_any_number_is_above_0() {
    assert!(!Update::default().is_any());
    let left = 1;
    assert!(
        Update {
            left,
            ..Update::default()
        }
        .is_any()
    );
}

#[test]
fn candidates_up_to_the_limits_are_taken() {
    let mut most = nodes(CANDIDATES_MAX as u64);
    most.insert(7, candidate(WEIGHT_MAX, None));
    assert_eq!(check(&most), Ok(()));
}

#[test]
fn a_home_that_moves_leaves_no_results_of_the_former_one() {
    let candidates = nodes(40);
    let home = Some("us-east-1");
    let (moved, mut writer) = router(&candidates, Some("eu-central-1"));
    writer.update(&candidates, home).unwrap();
    let (expected, _writer) = router(&candidates, home);
    for slot in (0..SLOTS as u32).step_by(997) {
        let [ours, theirs] = [&moved, &expected].map(|it| it.table().route_slot(slot, 3, home));
        assert_eq!(ours, theirs, "slot {slot}");
    }
}
