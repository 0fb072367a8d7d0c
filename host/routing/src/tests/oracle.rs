//! The function once more, written for nothing but to be obviously right: by the definitions, without a table,
//! in 128 bits, by sorting all nodes.

use std::cmp::Ordering;

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::super::hash::pair_hash;
use super::super::roster::{Member, Roster};
use super::super::scan::Best;
use super::super::{REPLICAS_MAX, SLOTS, distance, node_hash, slot_hash};
use super::{Candidates, GEOS, candidate, long_tests};
use crate::types::{Candidate, NodeId};

/// All nodes, best first.
fn ranking(candidates: &Candidates, slot: u32, from_geo: Option<&str>) -> Vec<NodeId> {
    ranking_by(exact_distance, candidates, slot, from_geo)
}

/// All nodes, best first, by these distances of hashes.
pub(super) fn ranking_by(
    distance: impl Fn(u64) -> u128,
    candidates: &Candidates,
    slot: u32,
    from_geo: Option<&str>,
) -> Vec<NodeId> {
    let standing = |(id, candidate): (&NodeId, &Candidate)| Standing {
        tier: tier(candidate, from_geo),
        distance: distance(mix(mix_slot(slot) ^ mix(*id ^ 0x1319_8a2e_0370_7344))),
        weight: u128::from(candidate.weight),
        id: *id,
    };
    let mut nodes: Vec<Standing> = candidates.iter().map(standing).collect();
    nodes.sort_by(compare);
    nodes.into_iter().map(|node| node.id).collect()
}

struct Standing {
    tier: u8,
    distance: u128,
    weight: u128,
    id: NodeId,
}

fn compare(a: &Standing, b: &Standing) -> Ordering {
    a.tier
        .cmp(&b.tier)
        .then((a.distance * b.weight).cmp(&(b.distance * a.weight)))
        .then(a.id.cmp(&b.id))
}

fn tier(candidate: &Candidate, from_geo: Option<&str>) -> u8 {
    fn region(geo: &str) -> &str {
        match geo.rfind('-') {
            Some(dash) => &geo[..dash],
            None => geo,
        }
    }
    match (&candidate.geo, from_geo) {
        (Some(geo), Some(from)) if geo == from => 0,
        (Some(geo), Some(from)) if region(geo) == region(from) => 1,
        _ => 2,
    }
}

fn mix_slot(slot: u32) -> u64 {
    mix(u64::from(slot) ^ 0x243f_6a88_85a3_08d3)
}

fn mix(x: u64) -> u64 {
    let times = |x: u64, y: u128| (u128::from(x) * y % (1 << 64)) as u64;
    let x = times(x ^ (x / (1 << 30)), 0xbf58_476d_1ce4_e5b9);
    let x = times(x ^ (x / (1 << 27)), 0x94d0_49bb_1331_11eb);
    x ^ (x / (1 << 31))
}

fn exact_distance(hash: u64) -> u128 {
    let mut x = u128::from(hash) + 1;
    if x == 1 << 64 {
        return 0;
    }
    let mut whole = 0;
    while x < 1 << 64 {
        x *= 2;
        whole += 1;
    }
    // x is the mantissa in units of 2^-64.
    let (piece, rest) = ((x >> 56) - 256, x % (1 << 56));
    let (from, to) = (log2(256 + piece), log2(256 + piece + 1));
    (whole << 40) - from - (((to - from) * (rest >> 26)) >> 30)
}

/// floor(2^40 * log2(`x` / 256)) of 256 to 512: the sum of those powers of a half whose powers of two, multiplied,
/// do not pass `x`.
fn log2(x: u128) -> u128 {
    const ONE: u128 = 1 << 62;
    if x == 512 {
        return 1 << 40;
    }
    let (mut product, mut log, mut root) = (ONE, 0, 2 * ONE);
    for bit in (0..40).rev() {
        root = (root * ONE).isqrt();
        if product * root / ONE <= x << 54 {
            product = product * root / ONE;
            log += 1 << bit;
        }
    }
    log
}

#[test]
fn hashes_and_distances_are_those_of_the_other_implementation() {
    for n in (0..64)
        .map(|bit| 1_u64 << bit)
        .chain((0..2_000).map(node_hash))
    {
        for hash in [n, !n, n.wrapping_sub(1)] {
            assert_eq!(
                u128::from(distance(hash)),
                exact_distance(hash),
                "{hash:#x}"
            );
            let node_id = hash.rotate_left(7);
            assert_eq!(
                pair_hash(slot_hash(n as u32), node_hash(node_id)),
                mix(mix_slot(n as u32) ^ mix(node_id ^ 0x1319_8a2e_0370_7344)),
            );
        }
    }
}

/// The unlike weights matter: equal ones never show an error in the division.
pub(super) fn any_candidate() -> impl Strategy<Value = Candidate> {
    let weight =
        prop_oneof![3 => 1..=4_u32, 2 => 1..=1_000_u32, 1 => 1..=65_535_u32, 1 => Just(65_535)];
    (weight, proptest::sample::select(&GEOS[..])).prop_map(|(weight, geo)| candidate(weight, geo))
}

pub(super) fn any_asker() -> impl Strategy<Value = Option<&'static str>> {
    let strangers = [
        Some("eu-central-3"),
        Some("us-east"),
        Some("mars"),
        Some(""),
    ];
    proptest::sample::select([&GEOS[..], &strangers].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if long_tests() { 5_000 } else { 100 }))]

    #[test]
    fn scans_find_what_the_other_implementation_finds(
        candidates in proptest::collection::btree_map(any::<u64>(), any_candidate(), 0..24),
        asker in any_asker(),
        slots in proptest::collection::vec(0..SLOTS as u32, 10),
    ) {
        agree(&candidates, asker, &slots)?;
    }
}

fn agree(candidates: &Candidates, from: Option<&str>, slots: &[u32]) -> TestCaseResult {
    // The indexes descend, so that none is that of a node's place.
    let members = (0..candidates.len() as u16).rev().zip(candidates);
    let roster = Roster::new(
        &members
            .map(|(index, (id, candidate))| {
                let candidate = candidate.clone();
                (*id, Member { index, candidate })
            })
            .collect(),
    );
    for &slot in slots {
        let ranking = ranking(candidates, slot, from);
        for replicas in 0..=REPLICAS_MAX {
            let mut best = Best::new(replicas);
            best.find(&roster.tiers(&roster.asker(from)), slot);
            let found: Vec<_> = best.indexes().map(|at| roster.node_id(at)).collect();
            prop_assert_eq!(&found, &*best.replicas());
            let expected = &ranking[..replicas.min(ranking.len())];
            prop_assert_eq!(found, expected, "slot {} from {:?}", slot, from);
        }
    }
    Ok(())
}
