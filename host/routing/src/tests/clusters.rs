//! Memos of random clusters of all sizes against the plain definition.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::super::memo::search;
use super::super::roster::{Member, Roster};
use super::super::{SLOTS, WEIGHT_MAX, distance};
use super::oracle::ranking_by;
use super::{Candidates, GEOS, candidate, long_tests};
use crate::types::NodeId;

const NODES_MAX: f64 = 3_000.0;

/// Slots that are compared of each cluster: two groups and a rest.
const SLOTS_EACH: usize = 19;

#[test]
fn memos_of_random_clusters_are_those_of_the_plain_definition() {
    for seed in 0..if long_tests() { 30_000 } else { 2_000 } {
        let mut rng = Rng::with_seed(seed);
        let candidates = cluster(&mut rng);
        let from = rng.choice(GEOS).flatten();
        let slots: Vec<u32> = (0..SLOTS_EACH).map(|_| rng.u32(..SLOTS as u32)).collect();
        let members: BTreeMap<NodeId, Member> = (0..)
            .zip(&candidates)
            .map(|(index, (id, candidate))| {
                let candidate = candidate.clone();
                (*id, Member { index, candidate })
            })
            .collect();
        let roster = Roster::new(&members);
        let mut compared = 0;
        search(&slots, &roster.tiers(&roster.asker(from)), |slot, best| {
            let hash_distance = |hash| u128::from(distance(hash));
            let mut expected = ranking_by(hash_distance, &candidates, slot, from);
            expected.truncate(3);
            let count = candidates.len();
            assert_eq!(
                *best.replicas(),
                *expected,
                "seed {seed}, {count} nodes, slot {slot} from {from:?}"
            );
            compared += 1;
        });
        assert_eq!(compared, SLOTS_EACH);
    }
}

/// A cluster of 1 to 3,000 nodes, half of which have fewer than sixty, with weights of one of five kinds.
fn cluster(rng: &mut Rng) -> Candidates {
    let size = NODES_MAX.powf(rng.f64()) as usize;
    let kind = rng.u8(..5);
    let has_geos = rng.bool();
    let node = |_| {
        let weight = match kind {
            0 => 1,
            1 => rng.u32(1..=16),
            2 => rng.u32(1..=WEIGHT_MAX),
            // Few heavy nodes among light ones.
            3 if rng.u8(..) == 0 => WEIGHT_MAX,
            3 => 1,
            _ => 1 << rng.u32(..16),
        };
        let geo = rng.choice(GEOS).flatten().filter(|_| has_geos);
        (rng.u64(..), candidate(weight, geo))
    };
    (0..size).map(node).collect()
}
