use super::*;

#[test]
fn the_table_is_exact() {
    for (i, entry) in (0..).zip(&LOG2[..PIECES]) {
        // Squaring doubles an error each time: if the results of rounding always down and always up are
        // the same, they are the true one.
        let [down, up] = [0, (1 << 63) - 1].map(|round| {
            let mut x: u128 = (256 + i) << 55;
            let mut log = 0;
            for _ in 0..FRACTION_BITS {
                x = (x * x + round) >> 63;
                let bit = x >> 64;
                x = (x + if round == 0 { 0 } else { bit }) >> bit;
                log = log << 1 | bit;
            }
            log
        });
        assert_eq!((down, up), (u128::from(*entry), u128::from(*entry)), "{i}");
    }
    assert_eq!(LOG2[PIECES], 1 << FRACTION_BITS);
}

#[test]
fn distances_fall_from_64_to_0() {
    assert_eq!(distance(0), 64 << FRACTION_BITS);
    assert_eq!(distance(u64::MAX), 0);
    assert_eq!(distance((1 << 63) - 1), 1 << FRACTION_BITS);
    let mut last = distance(0);
    for step in 1..=100_000 {
        let hash = u64::MAX / 100_000 * step;
        assert!(distance(hash) < last, "{hash:#x}");
        last = distance(hash);
    }
}

#[test]
fn distances_are_near_the_logarithm() {
    for step in 1..100_000 {
        let hash = u64::MAX / 100_000 * step;
        let exact = 64.0 - ((hash as f64) + 1.0).log2();
        let ours = distance(hash) as f64 / (1_u64 << FRACTION_BITS) as f64;
        assert!(
            (ours / exact - 1.0).abs() < 1.5e-3,
            "{hash:#x}: {ours} for {exact}"
        );
    }
}

#[test]
fn the_smaller_distance_for_its_weight_comes_first_then_the_lower_id() {
    let score = |distance, weight, node_id| Score {
        distance,
        weight,
        node_id,
    };
    let most = 64 << FRACTION_BITS;
    assert!(score(10, 1, 9).beats(&score(11, 1, 1)));
    assert!(score(20, 3, 9).beats(&score(10, 1, 1)));
    assert!(score(most, 65_535, 9).beats(&score(most, 65_534, 1)));
    assert!(score(most - 1, 65_535, 9).beats(&score(most, 65_535, 1)));
    assert!(score(20, 2, 1).beats(&score(10, 1, 9)));
    assert!(!score(20, 2, 9).beats(&score(10, 1, 1)));
    assert!(score(0, 1, 1).beats(&score(0, 65_535, 9)));
}

#[test]
fn a_rate_excludes_only_what_is_beaten() {
    let hashes = || {
        (0..64).flat_map(|bits| {
            [
                u64::MAX >> bits,
                !(u64::MAX >> bits),
                !(0x1234_5678_9abc_def0 >> bits),
            ]
        })
    };
    let mut excluded = 0;
    for (good, weight) in hashes().zip([1, 2, 3, 77, 1_000, 65_535].into_iter().cycle()) {
        let good = Score {
            distance: distance(good),
            weight,
            node_id: 5,
        };
        for hash in hashes() {
            for weight in [1, 2, 3, 78, 999, 65_535] {
                // The lowest id, so that it wins where they are equal.
                let node = Score {
                    distance: distance(hash),
                    weight,
                    node_id: 0,
                };
                if Rate::of(&good).excludes(hash, weight) {
                    assert!(!node.beats(&good), "{node:?} {good:?}");
                    excluded += 1;
                }
                assert!(!Rate::ANY.excludes(hash, weight));
            }
        }
    }
    assert!(excluded > 1_000, "{excluded}");
}

#[test]
fn a_coarse_rate_excludes_only_what_the_rate_excludes_and_hardly_less() {
    let (mut fine, mut coarse) = (0, 0);
    for (bits, weight) in (0..64_u32).zip([1, 2, 3, 77, 1_000, 65_535].into_iter().cycle()) {
        for rate in [Rate(u64::MAX >> bits), Rate(0x9abc_def0_1234_5678 >> bits)] {
            for hash in (0..64).map(|bits| !(0xfedc_ba98_7654_3210 >> bits)) {
                let excludes = CoarseRate::from(rate).excludes(hash, weight);
                assert!(
                    !excludes || rate.excludes(hash, weight),
                    "{rate:?} {hash:#x}"
                );
                fine += u32::from(rate.excludes(hash, weight));
                coarse += u32::from(excludes);
                assert!(!CoarseRate::ANY.excludes(hash, weight));
            }
        }
    }
    assert!(coarse > fine / 2, "{coarse} of {fine}");
    assert!(!CoarseRate::ANY.excludes(0, 1));
}

#[test]
fn as_many_come_within_a_rate_as_it_is_made_for() {
    // Of 1,000 nodes with weights from 1 to 10, at 100 slots.
    let total = (1..=10).sum::<u64>() * 100;
    let rate = Rate::passing(10, total);
    let nodes = (0..100_000_u64).zip((1..=10).cycle());
    let passing = nodes.filter(|(n, weight)| {
        let hash = crate::hash::node_hash(*n);
        !rate.excludes(hash, *weight)
    });
    let mean = passing.count() / 100;
    assert!((9..=11).contains(&mean), "{mean}");
}
