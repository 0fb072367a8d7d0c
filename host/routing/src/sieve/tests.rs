use fastrand::Rng;

use super::super::hash::{node_hash, pair_hash, slot_hash};
use super::*;

#[test]
fn the_top_of_a_hash_is_at_most_a_little_too_low() {
    let mut rng = Rng::with_seed(1);
    for _ in 0..100_000 {
        let (slot, node) = (rng.u64(..), rng.u64(..));
        let exact = (pair_hash(slot, node) >> 32) as u32;
        let x = first_step(slot) ^ first_step(node);
        let error = (exact | 1).wrapping_sub(top(x as u32, (x >> 32) as u32));
        assert!(error <= COARSE_ERROR, "{slot:#x} {node:#x}: {error}");
    }
}

#[test]
fn no_node_within_the_rate_is_held_back_on_any_processor() {
    let mut rng = Rng::with_seed(2);
    for count in [32, 33, 64, 100, 1_000, 3_000] {
        for heaviest in [1, 16, 65_535] {
            let sieve = Sieve::new(nodes(&mut rng, count, heaviest));
            for level in [Level::new(), Level::baseline()] {
                holds_no_node_back(&sieve, level, &mut rng);
            }
        }
    }
}

fn holds_no_node_back(sieve: &Sieve, level: Level, rng: &mut Rng) {
    let slots: [u64; GROUP] = std::array::from_fn(|_| slot_hash(rng.u32(..)));
    let mut passed = Passed::default();
    sieve.sift_at(level, &slots, &mut passed);
    for (slot, passed) in slots.into_iter().zip(passed) {
        assert!(passed.is_sorted());
        for (place, node) in sieve.nodes.iter().enumerate() {
            let is_near = !sieve.rate.excludes(pair_hash(slot, node.hash), node.weight);
            let has_passed = passed.binary_search(&place).is_ok();
            assert!(has_passed || !is_near, "{level:?} {slot:#x} {node:?}");
        }
    }
}

#[test]
fn about_ten_nodes_come_through_whatever_the_weights_are() {
    let mut rng = Rng::with_seed(3);
    for count in [32, 1_000, 3_000] {
        for heaviest in [1, 16, 65_535] {
            let mut nodes = nodes(&mut rng, count, heaviest);
            // So much heavier than the rest that they always come through.
            nodes
                .iter_mut()
                .take(2)
                .for_each(|node| node.weight *= 1_000);
            let sieve = Sieve::new(nodes);
            let mut passed = Passed::default();
            for group in 0..100 {
                let slots: [u64; GROUP] =
                    std::array::from_fn(|at| slot_hash(group * GROUP as u32 + at as u32));
                sieve.sift(&slots, &mut passed);
            }
            let mean = passed.iter().map(Vec::len).sum::<usize>() / (100 * GROUP);
            assert!((8..=12).contains(&mean), "{count}, {heaviest}: {mean}");
        }
    }
}

#[test]
fn of_few_nodes_none_comes_through_and_the_rate_says_so() {
    let sieve = Sieve::new(nodes(&mut Rng::with_seed(4), LANES - 1, 16));
    let mut passed = Passed::default();
    sieve.sift(&[1; GROUP], &mut passed);
    assert!(passed.iter().all(Vec::is_empty));
    assert_eq!(sieve.rate, Rate::ANY);
}

fn nodes(rng: &mut Rng, count: usize, heaviest: u32) -> Vec<Node> {
    let node = |id| Node {
        id,
        hash: node_hash(id),
        weight: rng.u32(1..=heaviest),
        ..Node::default()
    };
    (0..count as u64).map(node).collect()
}
