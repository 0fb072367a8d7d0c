//! Checks the keys that a change moves, and that the memo follows every change.

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::super::{REPLICAS_MAX, RoutingTable, SLOTS, key_hash, slot_of};
use super::oracle::{any_asker, any_candidate};
use super::{Candidates, GEOS, candidate, long_tests, nodes, router};
use crate::types::{Candidate, NodeId};

const KEYS: u32 = 100_000;
const HOME: Option<&str> = Some("eu-central-1");

/// One step from a set of candidates to the next.
#[derive(Debug, Clone)]
enum Step {
    Put(NodeId, Candidate),
    Remove(NodeId),
    /// Several at once: sets are only taken in after the last.
    Batch(Vec<Step>),
    Home(Option<&'static str>),
}

/// Few ids, so that nodes come back, change and take each other's index.
fn any_step(ids: NodeId) -> impl Strategy<Value = Step> {
    let put = (0..ids, any_candidate()).prop_map(|(id, candidate)| Step::Put(id, candidate));
    let single = prop_oneof![5 => put, 3 => (0..ids).prop_map(Step::Remove)];
    prop_oneof![
        6 => single.clone(),
        2 => proptest::collection::vec(single, 2..12).prop_map(Step::Batch),
        1 => any_asker().prop_map(Step::Home),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if long_tests() { 200 } else { 3 }))]

    #[test]
    fn after_any_changes_the_table_answers_every_slot_as_the_scan_does(
        first in proptest::collection::btree_map(0..20_u64, any_candidate(), 6..12),
        steps in proptest::collection::vec(any_step(20), 2..8),
    ) {
        follow(first, steps)?;
    }

    #[test]
    fn after_any_changes_of_a_large_cluster_the_table_answers_as_the_scan_does(
        first in proptest::collection::btree_map(0..400_u64, any_candidate(), 100..300),
        steps in proptest::collection::vec(any_step(400), 2..8),
    ) {
        follow(first, steps)?;
    }
}

fn follow(mut candidates: Candidates, steps: Vec<Step>) -> TestCaseResult {
    let mut home = HOME;
    let (router, mut writer) = router(&candidates, home);
    for step in steps {
        apply(&mut candidates, &mut home, step);
        writer.update(&candidates, home).unwrap();
    }
    let table = router.table();
    prop_assert_eq!(table.len(), candidates.len());
    // A table from nothing is what scans of all slots find.
    let (scanned, _writer) = super::router(&candidates, home);
    let scanned = scanned.table();
    for slot in 0..SLOTS as u32 {
        for from in [None, home] {
            let ours = table.route_slot(slot, 3, from);
            let expected = scanned.route_slot(slot, 3, from);
            prop_assert_eq!(ours, expected, "slot {} from {:?}", slot, from);
        }
        if slot % 256 == 0 {
            answers_are_those_of_scans(&table, slot, home)?;
        }
    }
    Ok(())
}

/// Lookups of more than three replicas are scans.
fn answers_are_those_of_scans(
    table: &RoutingTable,
    slot: u32,
    home: Option<&str>,
) -> TestCaseResult {
    for from in GEOS
        .into_iter()
        .chain([home, Some("mars"), Some("us-east")])
    {
        let scanned = table.route_slot(slot, 8, from);
        for replicas in 0..=3 {
            let ours = table.route_slot(slot, replicas, from);
            let expected = &scanned[..scanned.len().min(replicas)];
            prop_assert_eq!(&*ours, expected, "slot {} from {:?}", slot, from);
        }
    }
    Ok(())
}

fn apply(candidates: &mut Candidates, home: &mut Option<&'static str>, step: Step) {
    match step {
        Step::Put(node_id, candidate) => {
            candidates.insert(node_id, candidate);
        }
        Step::Remove(node_id) => {
            candidates.remove(&node_id);
        }
        Step::Batch(steps) => {
            for step in steps {
                apply(candidates, home, step);
            }
        }
        Step::Home(geo) => *home = geo,
    }
}

#[test]
fn a_node_that_joins_a_nearer_tier_is_among_the_best_of_every_key() {
    let heavy = (0..100).map(|id| (id, candidate(65_535, Some("us-east-1"))));
    let mut candidates: Candidates = heavy.collect();
    let (router, mut writer) = router(&candidates, HOME);
    for (id, geo) in [(200, "eu-central-2"), (201, "eu-central-1")] {
        candidates.insert(id, candidate(1, Some(geo)));
        writer.update(&candidates, HOME).unwrap();
        for slot in 0..SLOTS as u32 {
            let best = router.table().route_slot(slot, 1, HOME);
            assert_eq!(*best, [id], "slot {slot}");
        }
    }
}

#[test]
fn a_slot_whose_three_cached_nodes_leave_at_once_has_the_next_ones() {
    let mut candidates = nodes(40);
    let (router, mut writer) = router(&candidates, None);
    let all = router.table().route_slot(0, 6, None);
    candidates.retain(|id, _| !all[..3].contains(id));
    writer.update(&candidates, None).unwrap();
    assert_eq!(*router.table().route_slot(0, 3, None), all[3..]);
}

#[test]
fn one_node_leaving_moves_only_its_own_keys_and_promotes_their_runners_up() {
    let all = nodes(40);
    let (router, mut writer) = router(&all, HOME);
    let before = router.table();
    // Of all sizes and geos; 31 is one of the heaviest, and of the home geo.
    for leaving in [31, 0, 5, 17, 38] {
        let mut candidates = all.clone();
        candidates.remove(&leaving);
        writer.update(&candidates, HOME).unwrap();
        let after = router.table();
        let mut moved = 0;
        for_all_keys(|slot, from, replicas| {
            let replicas = replicas.min(REPLICAS_MAX - 1);
            let old = before.route_slot(slot, replicas + 1, from);
            let new = after.route_slot(slot, replicas, from);
            let mut expected: Vec<NodeId> = old.to_vec();
            expected.retain(|node_id| *node_id != leaving);
            expected.truncate(replicas);
            assert_eq!(*new, expected, "slot {slot} from {from:?}");
            moved += u32::from(old.first() == Some(&leaving));
        });
        assert!(moved > 0, "node {leaving} served no key");
        writer.update(&all, HOME).unwrap();
    }
}

#[test]
fn views_that_differ_agree_on_every_key_that_does_not_involve_the_difference() {
    let ours = nodes(40);
    let mut theirs = ours.clone();
    theirs.remove(&3);
    theirs.remove(&17);
    theirs.insert(1_000, candidate(12, HOME));
    theirs.insert(22, candidate(1, ours[&22].geo.as_deref()));
    theirs.insert(25, candidate(ours[&25].weight, Some("us-east-9")));
    let unlike = [3, 17, 22, 25, 1_000];

    // Theirs has come about by changes, and for an agent that is elsewhere.
    let (our_router, _our_writer) = router(&ours, HOME);
    let (their_router, mut their_writer) = router(&nodes(37), Some("us-east-1"));
    their_writer.update(&theirs, Some("us-east-1")).unwrap();
    let (our_table, their_table) = (our_router.table(), their_router.table());
    let mut uninvolved = 0;
    for_all_keys(|slot, from, replicas| {
        let ours = our_table.route_slot(slot, replicas, from);
        let theirs = their_table.route_slot(slot, replicas, from);
        let common = |nodes: &[NodeId]| -> Vec<NodeId> {
            let common = nodes.iter().filter(|id| !unlike.contains(id));
            common.copied().collect()
        };
        let (a, b) = (common(&ours), common(&theirs));
        let shorter = a.len().min(b.len());
        assert_eq!(a[..shorter], b[..shorter], "slot {slot} from {from:?}");
        uninvolved += u32::from(shorter == replicas);
    });
    assert!(
        uninvolved > KEYS / 2,
        "{uninvolved} of {} answers",
        2 * KEYS
    );
}

/// Checks most with as many replicas as are remembered, some with all.
fn for_all_keys(mut check: impl FnMut(u32, Option<&str>, usize)) {
    for number in 0..KEYS {
        let slot = slot_of(key_hash(format!("/asset/{number}").as_bytes()));
        for from in [None, HOME] {
            check(slot, from, if number % 32 == 0 { 8 } else { 3 });
        }
    }
}
